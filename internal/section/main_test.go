package section

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }
