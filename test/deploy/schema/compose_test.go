package schema

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project loads compose.yaml as Compose does, with the variables that the docs ask for.
func project(t *testing.T) *types.Project {
	t.Helper()
	var env []string
	for _, name := range variables(t) {
		env = append(env, name+"=secret")
	}
	options, err := cli.NewProjectOptions([]string{root + "/compose.yaml"}, cli.WithEnv(env), cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// variables are those that deploy/compose/env.example asks for.
func variables(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/compose/env.example")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, found := range regexp.MustCompile(`(?m)^([A-Z_]+)=`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, found[1])
	}
	return names
}

func TestComposeHoldsAWholeCluster(t *testing.T) {
	services := project(t).Services
	for _, name := range []string{"server-1", "server-2", "worker", "proxy", "postgres", "redis"} {
		service, there := services[name]
		if !there {
			t.Errorf("there is no service %s", name)
			continue
		}
		if service.Restart != "unless-stopped" {
			t.Errorf("%s is not started again when it ends: %q", name, service.Restart)
		}
		if health := service.HealthCheck; name != "proxy" && health == nil {
			t.Errorf("%s has no health check", name)
		}
	}
	if scale := services["worker"].Scale; scale == nil || *scale != 2 {
		t.Error("there are not two workers")
	}
}

func TestComposeOpensNothingToTheWorld(t *testing.T) {
	for name, service := range project(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s opens %s on %q", name, port.Published, port.HostIP)
			}
		}
		if service.Privileged || service.NetworkMode == "host" {
			t.Errorf("%s has the host's rights", name)
		}
	}
}

func TestComposeProxyKnowsTheServers(t *testing.T) {
	config, err := os.ReadFile(root + "/deploy/compose/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project(t).Services {
		isServer := len(service.Command) == 1 && service.Command[0] == "serve"
		if listed := strings.Contains(string(config), " "+name+":8321"); listed != isServer {
			t.Errorf("the proxy lists %s: %v; it serves: %v", name, listed, isServer)
		}
	}
}

func TestComposeSetsEveryVariable(t *testing.T) {
	text, err := os.ReadFile(root + "/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(root + "/deploy/compose/env.example")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`[^$]\$\{([A-Z_]+)`).FindAllStringSubmatch(string(text), -1)
	if len(used) < 4 {
		t.Fatalf("only %d variables were found", len(used))
	}
	for _, found := range used {
		if !regexp.MustCompile(`(?m)^#?` + found[1] + `=`).Match(example) {
			t.Errorf("deploy/compose/env.example does not name %s", found[1])
		}
	}
}
