package section

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// promAnswer is what https://prometheus.io/docs/prometheus/latest/querying/api/ says that comes.
type promAnswer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

type promSeries struct {
	Metric map[string]string `json:"metric"`
	Value  promSample        `json:"value"`  // of a vector
	Values []promSample      `json:"values"` // of a matrix
}

// promSample is a time in seconds, and a number as a text, which may be NaN or +Inf.
type promSample [2]any

func (s promSample) text() string {
	text, _ := s[1].(string)
	return text
}

// prometheus asks for the values of now, or of a time up to now.
func (v *visit) prometheus(ctx context.Context, p *Prometheus) (any, error) {
	form, path := url.Values{"query": {p.Query}}, "/api/v1/query"
	if p.Range > 0 {
		now := time.Now()
		step := max((p.Range / (MaxPoints - 1)).Round(time.Second), time.Second)
		path = "/api/v1/query_range"
		form.Set("start", decimal(seconds(now.Add(-p.Range))))
		form.Set("end", decimal(seconds(now)))
		form.Set("step", decimal(step.Seconds()))
	}
	status, body, err := v.get(ctx, p.URL+path+"?"+form.Encode(), p.Headers)
	if err != nil {
		return nil, err
	}
	host := hostOf(p.URL)
	var answer promAnswer
	if json.Unmarshal(body, &answer) != nil || answer.Status == "" {
		if status != http.StatusOK {
			return nil, fmt.Errorf("%s answered %d %s: expected 200", host, status, http.StatusText(status))
		}
		return nil, fmt.Errorf("%s does not answer as Prometheus does: is the url that of the server, without /api/v1?", host)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("Prometheus refused the query: %s", answer.Error)
	}
	return answer.table(v.spec.Show)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (a *promAnswer) table(show Show) (any, error) {
	switch a.Data.ResultType {
	case "scalar", "string":
		var sample promSample
		if err := json.Unmarshal(a.Data.Result, &sample); err != nil {
			return nil, errors.New("Prometheus answered no sample")
		}
		return &table{columns: []string{"value"}, rows: [][]any{{sample.text()}}}, nil
	case "vector", "matrix":
	default:
		return nil, fmt.Errorf("Prometheus answered a %q, which is not known here", a.Data.ResultType)
	}
	var all []promSeries
	if err := json.Unmarshal(a.Data.Result, &all); err != nil {
		return nil, fmt.Errorf("Prometheus answered a %s that cannot be read", a.Data.ResultType)
	}
	if a.Data.ResultType == "vector" {
		return vector(all, show == ShowTable), nil
	}
	switch len(all) {
	case 0:
		return &table{columns: []string{"time", "value"}}, nil
	case 1:
	default:
		return nil, fmt.Errorf("the query has %d series: select one, for example by sum(...)", len(all))
	}
	t := &table{columns: []string{"time", "value"}}
	for _, sample := range all[0].Values {
		t.rows = append(t.rows, []any{sample[0], sample.text()})
	}
	return t, nil
}

// vector makes a row of each series: its labels if they are asked for, and its value.
func vector(all []promSeries, labelled bool) *table {
	labels := map[string]bool{}
	for _, series := range all {
		if !labelled {
			break
		}
		for name := range series.Metric {
			labels[name] = true
		}
	}
	t := &table{}
	for name := range labels {
		if name != "__name__" || len(labels) == 1 {
			t.columns = append(t.columns, name)
		}
	}
	slices.Sort(t.columns)
	for _, series := range all {
		row := make([]any, 0, len(t.columns)+1)
		for _, name := range t.columns {
			row = append(row, series.Metric[name])
		}
		t.rows = append(t.rows, append(row, series.Value.text()))
	}
	t.columns = append(t.columns, "value")
	return t
}
