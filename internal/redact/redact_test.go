package redact

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/processor"
)

func TestJSONWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{}`,
		`{"path": "/x",  "n": 1.50, "ok": true, "none": null}`: `{"path":"/x","n":1.50,"ok":true,"none":null}`,
		`{"password":"p"}`: `{"password":"[redacted]"}`,
		`{"DB_Password":"p","API-Key":"k","x_api_key":"k"}`:             `{"DB_Password":"[redacted]","API-Key":"[redacted]","x_api_key":"[redacted]"}`,
		`{"a":[{"Authorization":"Bearer x"},{"b":{"set-cookie":"c"}}]}`: `{"a":[{"Authorization":"[redacted]"},{"b":{"set-cookie":"[redacted]"}}]}`,
		`{"secrets":{"a":"1","b":["2"]},"after":"seen"}`:                `{"secrets":"[redacted]","after":"seen"}`,
		`{"private_key":["line","line"],"after":1}`:                     `{"private_key":"[redacted]","after":1}`,
		`{"max_tokens":100,"token":"t","token_valid":false}`:            `{"max_tokens":100,"token":"[redacted]","token_valid":false}`,
		`{"pass":"p","passage":"of text","author":"me","auth":"a"}`:     `{"pass":"[redacted]","passage":"of text","author":"me","auth":"[redacted]"}`,
		`{"password":""}`:  `{"password":""}`,
		`["<a> & ünï"]`:    `["<a> & ünï"]`,
		`"text"`:           `"text"`,
		`["\u0026\u003c"]`: `["&<"]`,

		// numbers
		`{"pin":1234,"password":-1.5e3,"max_tokens":1,"token_count":2,"secret":0}`: `{"pin":"[redacted]","password":"[redacted]","max_tokens":1,"token_count":2,"secret":"[redacted]"}`,
		`{"tokens":["abc",5],"input_tokens":{"n":1,"id":"x"}}`:                     `{"tokens":["[redacted]",5],"input_tokens":{"n":1,"id":"[redacted]"}}`,
		// pairs
		`["Authorization","Bearer abc"]`:                        `["Authorization","[redacted]"]`,
		`[["password",123],["user","me"],["pin",["x"]]]`:        `[["password","[redacted]"],["user","me"],["pin","[redacted]"]]`,
		`["max_tokens",100]`:                                    `["max_tokens",100]`,
		`["psql","--password","hunter2","-h","--token","db"]`:   `["psql","--password","[redacted]","-h","--token","[redacted]"]`,
		`["Host","h","Authorization","Basic x","Accept","*/*"]`: `["Host","h","Authorization","[redacted]","Accept","*/*"]`,
		`["--password=hunter2","token: abc123","-u","root"]`:    `["--password=[redacted]","token: [redacted]","-u","root"]`,
		`{"fields":["id","password","email"]}`:                  `{"fields":["id","password","email"]}`,
		`{"a":["password",true],"b":["password",null]}`:         `{"a":["password",true],"b":["password",null]}`,
		// objects that name a value
		`{"name":"password","value":"hunter2"}`:               `{"name":"password","value":"[redacted]"}`,
		`{"value":"hunter2","name":"DB_PASSWORD"}`:            `{"value":"[redacted]","name":"DB_PASSWORD"}`,
		`{"key":"token","value":{"a":[1]},"other":1}`:         `{"key":"token","value":"[redacted]","other":1}`,
		`{"Key":"api-key","Value":12345}`:                     `{"Key":"api-key","Value":"[redacted]"}`,
		`{"name":"max_tokens","value":12345}`:                 `{"name":"max_tokens","value":12345}`,
		`{"name":"user","value":"hunter2"}`:                   `{"name":"user","value":"hunter2"}`,
		`[{"value":{"name":"pin","value":1},"name":"outer"}]`: `[{"value":{"name":"pin","value":"[redacted]"},"name":"outer"}]`,
		// JSON in strings
		`{"body":"{\"password\": \"p\", \"n\": 1}"}`:    `{"body":"{\"password\":\"[redacted]\",\"n\":1}"}`,
		`{"body":"{\"a\": \"keeps its  form\"}"}`:       `{"body":"{\"a\": \"keeps its  form\"}"}`,
		`["[\"Authorization\",\"Bearer x\"]"]`:          `["[\"Authorization\",\"[redacted]\"]"]`,
		`{"a":"{\"b\":\"{\\\"token\\\":\\\"t\\\"}\"}"}`: `{"a":"{\"b\":\"{\\\"token\\\":\\\"[redacted]\\\"}\"}"}`,
		`{"broken":"{\"password\":\"abc"}`:              `{"broken":"{\"password\":\"[redacted]"}`,
		// URLs and forms
		`{"url":"postgres://u:p@h/db?x=1"}`: `{"url":"postgres://u:[redacted]@h/db?x=1"}`,
		`{"form":"user=a&password=b&c=d"}`:  `{"form":"user=a&password=[redacted]&c=d"}`,
		`{"https://u:p@h/":1}`:              `{"https://u:[redacted]@h/":1}`,
	} {
		if got, ok := (*Rules)(nil).JSON(in); !ok || got != want {
			t.Errorf("%s\n got %s %v\nwant %s", in, got, ok, want)
		}
	}
	for _, in := range []string{``, `{`, `{"a":1}}`, `{"a":1} {}`, `nope`, strings.Repeat(`[`, 100_000)} {
		if got, ok := (*Rules)(nil).JSON(in); ok {
			t.Errorf("%.20q became %s", in, got)
		}
	}
}

func TestTextWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		// URLs
		"dial postgres://app:s3cret@db:5432/x failed":   "dial postgres://app:[redacted]@db:5432/x failed",
		"redis://:pw@host and https://a:b@c":            "redis://:[redacted]@host and https://a:[redacted]@c",
		"amqp://u:p/a?s@s#w@host/v":                     "amqp://u:[redacted]@host/v",
		"http://host:8080/path@x https://[::1]:80/ a@b": "http://host:8080/path@x https://[::1]:80/ a@b",
		"https://host/cb?to=ftp://u:p@h&token=abc&x=1":  "https://host/cb?to=ftp://u:[redacted]@h&token=[redacted]&x=1",
		// headers
		"Authorization: Bearer abc.def":                     "Authorization: [redacted]",
		"curl -H 'Authorization: Token xyz' https://a":      "curl -H 'Authorization: [redacted]' https://a",
		"sent Bearer aBc-123_x to it":                       "sent Bearer [redacted] to it",
		"sent basic dXNlcjpwYXNz":                           "sent basic [redacted]",
		"basic authentication, bearer authentication":       "basic authentication, bearer authentication",
		"map[Accept:[*/*] Authorization:[Bearer abc] B:[]]": "map[Accept:[*/*] Authorization:[[redacted]] B:[]]",
		"Cookie: a=b; c=d\nnext":                            "Cookie: [redacted]\nnext",
		// names
		"password=hunter2 user=me":              "password=[redacted] user=me",
		`PGPASSWORD='a b' psql`:                 `PGPASSWORD='[redacted]' psql`,
		`{"password": "a\"b", "x": "y"`:         `{"password": "[redacted]", "x": "y"`,
		`said {\"token\":\"abc\",\"n\":1}`:      `said {\"token\":\"[redacted]\",\"n\":1}`,
		"Server=db;Password=a1;Database=x":      "Server=db;Password=[redacted];Database=x",
		"login --password hunter2 --user me":    "login --password [redacted] --user me",
		"password: hunter2":                     "password: [redacted]",
		"connect(user=a, password=b)":           "connect(user=a, password=[redacted])",
		"max_tokens=100 tokens: 812 token=812":  "max_tokens=100 tokens: 812 token=[redacted]",
		"invalid token: unexpected end of JSON": "invalid token: unexpected end of JSON",
		"reading the secret: file not found":    "reading the secret: file not found",
		"at 12:34:56 level=info msg=ok a:b":     "at 12:34:56 level=info msg=ok a:b",
		"password=true pin=":                    "password=true pin=",
		"пароль=x password=ключ":                "пароль=x password=[redacted]",
		// keys
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter": "[redacted]\nafter",
		"x -----BEGIN PRIVATE KEY-----\nMIIE":                                         "x [redacted]",
		"":                                                                            "",
	} {
		got := (*Rules)(nil).Text(in)
		if got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
		if again := (*Rules)(nil).Text(got); again != got {
			t.Errorf("%q becomes %q the second time", got, again)
		}
	}
}

func TestOwnNames(t *testing.T) {
	r := New([]string{"ssn", "card number", "пароль", "-"})
	in := `{"SSN":1,"customerSsn":"a","classname":"b","card_number":"c","cardNumbers":"d","Пароль":"e","token":"f"}`
	want := `{"SSN":"[redacted]","customerSsn":"[redacted]","classname":"b","card_number":"[redacted]","cardNumbers":"d","Пароль":"[redacted]","token":"[redacted]"}`
	if got, _ := r.JSON(in); got != want {
		t.Errorf("got %s", got)
	}
	if got := r.Text("ssn=123-45 Пароль=x iban=y"); got != "ssn=[redacted] Пароль=[redacted] iban=y" {
		t.Errorf("got %s", got)
	}
}

func TestAttemptKeepsItsValuesAndKeysToItself(t *testing.T) {
	a := (*Rules)(nil).Attempt([]string{"short", `the "value"`, "line one\nline two"}, nil)
	for _, line := range []struct{ in, want string }{
		{`got the "value"!`, `got [redacted]!`},
		{`{"x":"the \"value\""}`, `{"x":"[redacted]"}`},
		{"short line one", "short [redacted]"},
		{"-----BEGIN PRIVATE KEY-----", "[redacted]"},
		{"MIIEvQIBADANBg", "[redacted]"},
		{"-----END PRIVATE KEY-----", "[redacted]"},
		{"plain", "plain"},
	} {
		if got := a.Line(line.in); !strings.HasPrefix(got, line.want) {
			t.Errorf("%q became %q, want %q", line.in, got, line.want)
		}
	}
	if got := a.Output(`ends with the "val`, true); got != "ends with [redacted]" {
		t.Errorf("a value that was cut: %q", got)
	}
}

func TestOutputKeepsItsFormWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"{ \"a\": 1 }\n":            "{ \"a\": 1 }\n",
		`{ "password": 12 }`:        `{"password":"[redacted]"}`,
		"plain password=x":          "plain password=[redacted]",
		"{not JSON} password=x end": "{not JSON} password=[redacted] end",
	} {
		if got := (*Rules)(nil).Output(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestDeepAndLongTextsHaveABoundedCost(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 4_000) + `1` + strings.Repeat(`]}`, 4_000)
	got, ok := (*Rules)(nil).JSON(deep)
	if !ok || !json.Valid([]byte(got)) || !strings.Contains(got, "nested deeper") || len(got) > 3_000 {
		t.Errorf("deep: %v, %d bytes", ok, len(got))
	}
	for _, in := range []string{
		strings.Repeat("password=", 10_000), strings.Repeat("://a:", 10_000), strings.Repeat("=", 100_000), strings.Repeat(`\"`, 50_000),
		strings.Repeat("-----BEGIN PRIVATE KEY-----", 3_000), strings.Repeat("--token ", 10_000), strings.Repeat("token: ", 100_000),
		strings.Repeat(`token:"`, 10_000), strings.Repeat("x", 1_000_000) + "=", strings.Repeat("bearer ", 10_000), strings.Repeat(`{"name":"pin","value":`, 10_000),
		strings.Repeat("://a:b", 100_000) + "@",
	} {
		before := processor.Used()
		(*Rules)(nil).Text(in)
		(*Rules)(nil).Prefix(in)
		quoted, _ := json.Marshal(map[string]string{"a": in})
		(*Rules)(nil).JSON(string(quoted))
		if took := processor.Used() - before; took > 3*time.Second {
			t.Errorf("%.20q... took %v", in, took)
		}
	}
}

func TestPrefixOfJSONHidesWhatItHas(t *testing.T) {
	whole := `{"a":{"name":"password","value":"hunter2hunter2"},"password":"hunter2","b":["Authorization","hunter2"],"c":"the end"}`
	for n := range whole {
		if got := (*Rules)(nil).Prefix(whole[:n]); strings.Contains(got, "hunt") {
			t.Errorf("%s\nbecame %s", whole[:n], got)
		}
	}
	if got := (*Rules)(nil).Prefix(`{"a": [1, "tex`); got != `{"a":[1,"tex"` {
		t.Errorf("got %s", got)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"password":"p","a":[1,{"token":{"x":1}}]}`)
	f.Add(`{"a":"😀\u0000","b":1e999}`)
	f.Add(`{"value":"[\"pin\",1]","name":"--token"}`)
	f.Fuzz(func(t *testing.T, in string) {
		out, ok := (*Rules)(nil).JSON(in)
		if ok != json.Valid([]byte(in)) {
			t.Errorf("%q: %v", in, ok)
		}
		if ok && !json.Valid([]byte(out)) {
			t.Errorf("%q became %q, which is not JSON", in, out)
		}
		(*Rules)(nil).Prefix(in)
	})
}

func FuzzText(f *testing.F) {
	f.Add("password=hunter2 https://u:p@h/ Bearer abc123 --token x")
	f.Add(`{\"token\": \"a\\\"b\"} Authorization:[x]`)
	f.Fuzz(func(t *testing.T, in string) {
		out := (*Rules)(nil).Text(in)
		if len(out) > len(in)*(len(Mark)+1) {
			t.Errorf("%q became %d bytes", in, len(out))
		}
		(*Rules)(nil).Output(in)
		(*Rules)(nil).Attempt([]string{in}, nil).Line(in)
	})
}

// A variable of the agent's file is secret by its name, as everywhere.
func TestAnAttemptKeepsTheSecretsOfItsVariables(t *testing.T) {
	env := map[string]string{
		"API_KEY": "hunter2hunter2", "DB_PASSWORD": "hunter2hunter2-and-more", "customerSsn": "hunter2hunter3", "SESSION_TOKEN": "12345678-x",
		"MAX_TOKENS": "123456789", "GREETING": "good morning", "PASS": "short",
	}
	got := New([]string{"ssn"}).Attempt(nil, env).Line("hunter2hunter2 hunter2hunter2-and-more hunter2hunter3 12345678-x 123456789 good morning short")
	if want := "[redacted] [redacted] [redacted] [redacted] 123456789 good morning short"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
