package alert

import (
	"fmt"
	"testing"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// What is read is read as Expr reads it, so that its manual can be followed.
func TestSyntaxIsThatOfExpr(t *testing.T) {
	for _, expression := range []string{
		`a and b or c and not d`, `not a == b`, `not (a == b)`, `!a && b || c`, `a or b and c`, `-a * b - c / d + 2`, `a - b - c`, `a / b / c`, `-a.b`, `a + -1`,
		`a ?? b ?? c`, `(a ?? 1) > 2`, `a + b ?? c`, `a ? b : c ? d : e`, `a > 1 ? b : c`, `a == b ? 1 : 2 + 3`, `(a ? b : c).d`,
		`a.b.c`, `a["b c"].d`, `a?.b?.c`, `a["b"]`, `a[b.c]`, `(a).b`, `now() - a.b > duration("5m")`, `a in ["x", "y",]`, `a not in ["x"]`, `a not contains "x"`,
		`not (a contains "x")`, `a matches "^x$" and b startsWith 'y'`, "a == `x\\y`", `a == "é\u00e9\n\"\\"`, `a == 'it\'s'`, `1_000.5e3 > 2E-3`, `a.b > 1 == true`,
		`any(values(a.b), .c > 1 and #.d == "x")`, `count(a, # == 1) >= 2`, `all(values(a), any(.b, # == "x"))`, `none(a, not #.b)`, `sum(values(a), .b + .c.d) < 3`,
		"a >\n 1 and\n\tb", `a.not_b`, `len(keys(a)) != 0`, `a.b["c"].d in e.f`, `abs(-1) == +1`, `nil == a.b`, `true != false`, `2 * duration("1h")`,
	} {
		tree, err := parser.Parse(expression)
		if err != nil {
			t.Errorf("%s: Expr refuses it: %v", expression, err)
			continue
		}
		got := func() (text string) {
			defer func() {
				if p := recover(); p != nil {
					text = fmt.Sprint(p)
				}
			}()
			return read(expression).String()
		}()
		if want := asPart(t, tree.Node).String(); got != want {
			t.Errorf("%s: read as %s, by Expr as %s", expression, got, want)
		}
	}
}

// asPart makes of what Expr read what is read here.
func asPart(t *testing.T, n ast.Node) *part {
	t.Helper()
	switch n := n.(type) {
	case *ast.NilNode:
		return &part{}
	case *ast.BoolNode:
		return &part{form: formBool, bool: n.Value}
	case *ast.IntegerNode:
		return &part{form: formNumber, num: float64(n.Value)}
	case *ast.FloatNode:
		return &part{form: formNumber, num: n.Value}
	case *ast.StringNode:
		return &part{form: formText, text: n.Value}
	case *ast.IdentifierNode:
		return &part{form: formName, text: n.Value}
	case *ast.PointerNode:
		return &part{form: formItem}
	case *ast.PredicateNode:
		return asPart(t, n.Node)
	case *ast.ChainNode:
		return asPart(t, n.Node)
	case *ast.MemberNode:
		return &part{form: formMember, left: asPart(t, n.Node), right: asPart(t, n.Property)}
	case *ast.UnaryNode:
		return &part{form: formUnary, operator: n.Operator, left: asPart(t, n.Node)}
	case *ast.BinaryNode:
		return &part{form: formBinary, operator: n.Operator, left: asPart(t, n.Left), right: asPart(t, n.Right)}
	case *ast.ConditionalNode:
		return &part{form: formChoice, left: asPart(t, n.Cond), right: asPart(t, n.Exp1), third: asPart(t, n.Exp2)}
	case *ast.ArrayNode:
		return &part{form: formList, list: asParts(t, n.Nodes)}
	case *ast.BuiltinNode:
		return &part{form: formCall, text: n.Name, list: asParts(t, n.Arguments)}
	case *ast.CallNode:
		return &part{form: formCall, text: n.Callee.String(), list: asParts(t, n.Arguments)}
	}
	t.Fatalf("%T is not known here", n)
	return nil
}

func asParts(t *testing.T, nodes []ast.Node) []*part {
	t.Helper()
	list := make([]*part, len(nodes))
	for i, n := range nodes {
		list[i] = asPart(t, n)
	}
	return list
}
