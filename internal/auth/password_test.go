package auth

import "testing"

func TestWeakPasswords(t *testing.T) {
	for _, c := range []string{
		"password", "12345678", "1234567890", "12345678910", "password1!", "Password123", "P@ssw0rd2024", "passwordpassword", "qwertyuiop", "Qwerty12345",
		"1q2w3e4r5t6y", "iloveyou123", "aaaaaaaaaaaa", "abcabcabcabc", "Welcome2025!", "admin12345", "agentos123", "AgentOS-admin", "ada.lovelace99",
		"adalovelace", "letmein!!!!", "changeme123", "9876543210", "2024-11-30-1", "00000000001", "poiuytrewq", "abcdefghijklmnopqrst", "summer2025", "monkeymonkey", "          ",
	} {
		if checkPassword("ada.lovelace", c) == nil {
			t.Errorf("%q is accepted", c)
		}
	}
	if checkPassword("ada", "ada1234567") == nil {
		t.Error("a user's own name with digits is accepted")
	}
	for _, c := range []string{
		password, "another password", "long enough", "even longer", "tr0ub4dor&3x", "kjh2398sdf", "mein lieber schwan", "пароль не тут", "7h2-kQ!x9zP", "solar teapot 14",
	} {
		if err := checkPassword("ada", c); err != nil {
			t.Errorf("%q is refused: %v", c, err)
		}
	}
}
