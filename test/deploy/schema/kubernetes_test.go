package schema

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// cluster is what `kubectl apply -k deploy/kubernetes/example` would make.
type cluster struct {
	deployments map[string]*apps.Deployment
	services    map[string]*core.Service
	configs     map[string]*core.ConfigMap
	secrets     map[string]*core.Secret
	accounts    map[string]*core.ServiceAccount
	ingresses   map[string]*networking.Ingress
	policies    map[string]*networking.NetworkPolicy
	budgets     map[string]*policy.PodDisruptionBudget
}

// render builds a copy of the overlay, with the secret that the docs ask for.
func render(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(root+"/deploy/kubernetes")); err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(dir, "example", "secret.env.example"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "example", "secret.env"), example, 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "example"))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		map[string]*apps.Deployment{}, map[string]*core.Service{}, map[string]*core.ConfigMap{}, map[string]*core.Secret{},
		map[string]*core.ServiceAccount{}, map[string]*networking.Ingress{}, map[string]*networking.NetworkPolicy{},
		map[string]*policy.PodDisruptionBudget{},
	}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		name := resource.GetName()
		if resource.GetNamespace() != "agentos" {
			t.Errorf("%s %s is in the namespace %q", resource.GetKind(), name, resource.GetNamespace())
		}
		switch kind := resource.GetApiVersion() + " " + resource.GetKind(); kind {
		case "apps/v1 Deployment":
			c.deployments[name] = strict[apps.Deployment](t, text)
		case "v1 Service":
			c.services[name] = strict[core.Service](t, text)
		case "v1 ConfigMap":
			c.configs[name] = strict[core.ConfigMap](t, text)
		case "v1 Secret":
			c.secrets[name] = strict[core.Secret](t, text)
		case "v1 ServiceAccount":
			c.accounts[name] = strict[core.ServiceAccount](t, text)
		case "networking.k8s.io/v1 Ingress":
			c.ingresses[name] = strict[networking.Ingress](t, text)
		case "networking.k8s.io/v1 NetworkPolicy":
			c.policies[name] = strict[networking.NetworkPolicy](t, text)
		case "policy/v1 PodDisruptionBudget":
			c.budgets[name] = strict[policy.PodDisruptionBudget](t, text)
		default:
			t.Errorf("%s %s is not looked at by this test", kind, name)
		}
	}
	return c
}

// strict refuses fields that the type does not have, and values of another type.
func strict[T any](t *testing.T, text []byte) *T {
	t.Helper()
	value := new(T)
	if err := yaml.UnmarshalStrict(text, value); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
	return value
}

func TestKubernetesHasServersAndWorkers(t *testing.T) {
	c := render(t)
	for _, name := range []string{"agentos-server", "agentos-worker"} {
		d := c.deployments[name]
		if d == nil {
			t.Fatalf("there is no Deployment %s", name)
		}
		if d.Spec.Replicas == nil || *d.Spec.Replicas < 2 {
			t.Errorf("%s: one replica is no cluster", name)
		}
		if !matches(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("%s: its selector %v does not match its pods %v", name, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		}
		for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
			if !matches(spread.LabelSelector.MatchLabels, d.Spec.Template.Labels) {
				t.Errorf("%s is spread by the labels %v, which its pods do not have", name, spread.LabelSelector.MatchLabels)
			}
		}
		if c.budgets[name] == nil || !matches(c.budgets[name].Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("%s has no disruption budget", name)
		}
		if c.policies[name] == nil || !matches(c.policies[name].Spec.PodSelector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("%s has no network policy", name)
		}
		if c.accounts[d.Spec.Template.Spec.ServiceAccountName] == nil {
			t.Errorf("%s runs as a service account that is not there", name)
		}
	}
	server, worker := c.deployments["agentos-server"].Spec, c.deployments["agentos-worker"].Spec
	if matches(server.Selector.MatchLabels, worker.Template.Labels) || matches(worker.Selector.MatchLabels, server.Template.Labels) {
		t.Error("servers and workers do not differ in their labels")
	}
}

func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

func TestKubernetesRefersToWhatIsThere(t *testing.T) {
	c := render(t)
	for name, d := range c.deployments {
		pod := d.Spec.Template.Spec
		volumes := map[string]bool{}
		for _, volume := range pod.Volumes {
			volumes[volume.Name] = true
			if volume.ConfigMap != nil && c.configs[volume.ConfigMap.Name] == nil {
				t.Errorf("%s: the volume %s is of a ConfigMap %s, which is not there", name, volume.Name, volume.ConfigMap.Name)
			}
		}
		for _, container := range pod.Containers {
			for _, mount := range container.VolumeMounts {
				if !volumes[mount.Name] {
					t.Errorf("%s mounts a volume %s, which is not there", name, mount.Name)
				}
			}
			for _, from := range container.EnvFrom {
				if from.ConfigMapRef != nil && c.configs[from.ConfigMapRef.Name] == nil ||
					from.SecretRef != nil && c.secrets[from.SecretRef.Name] == nil {
					t.Errorf("%s has variables from something that is not there: %+v", name, from)
				}
			}
			for _, variable := range container.Env {
				if variable.ValueFrom == nil {
					continue
				}
				ref := variable.ValueFrom.SecretKeyRef
				if secret := c.secrets[ref.Name]; secret == nil || secret.Data[ref.Key] == nil {
					t.Errorf("%s: %s is from a key that is not there", name, variable.Name)
				}
			}
			if container.Image != "registry.example.com/agentos:1.0.0" {
				t.Errorf("%s has the image %s, not that of the overlay", name, container.Image)
			}
		}
	}
}

func TestKubernetesPortsAgree(t *testing.T) {
	c := render(t)
	server := c.deployments["agentos-server"].Spec.Template
	container := server.Spec.Containers[0]
	if len(container.Ports) != 1 || container.Ports[0].Name != "http" {
		t.Fatalf("the server has the ports %v", container.Ports)
	}
	if listens := valueOf(container, "AGENTOS_LISTEN"); listens != ":8321" || container.Ports[0].ContainerPort != 8321 {
		t.Errorf("the server listens on %s and opens %d", listens, container.Ports[0].ContainerPort)
	}
	for kind, probe := range map[string]*core.Probe{
		"/livez of startup": container.StartupProbe, "/livez": container.LivenessProbe, "/readyz": container.ReadinessProbe,
	} {
		path := kind[:6]
		if kind == "/readyz" {
			path = kind
		}
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != "http" {
			t.Errorf("the probe of %s is %+v", kind, probe)
		}
	}
	service := c.services["agentos"]
	if !matches(service.Spec.Selector, server.Labels) || service.Spec.Ports[0].TargetPort.String() != "http" {
		t.Errorf("the Service leads to %v, port %s", service.Spec.Selector, service.Spec.Ports[0].TargetPort.String())
	}
	if matches(service.Spec.Selector, c.deployments["agentos-worker"].Spec.Template.Labels) {
		t.Error("the Service leads to workers too")
	}
	backend := c.ingresses["agentos"].Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if c.services[backend.Name] == nil || backend.Port.Name != service.Spec.Ports[0].Name {
		t.Errorf("the Ingress leads to %+v", backend)
	}
	for _, rule := range c.policies["agentos-server"].Spec.Ingress {
		if rule.Ports[0].Port.String() != "http" {
			t.Errorf("the network policy opens %s", rule.Ports[0].Port)
		}
	}
}

func valueOf(container core.Container, name string) string {
	i := slices.IndexFunc(container.Env, func(v core.EnvVar) bool { return v.Name == name })
	if i < 0 {
		return ""
	}
	return container.Env[i].Value
}

func TestKubernetesPodsMeetTheRestrictedStandard(t *testing.T) {
	for name, d := range render(t).deployments {
		pod := d.Spec.Template.Spec
		outer := pod.SecurityContext
		if outer == nil || !*outer.RunAsNonRoot || outer.SeccompProfile == nil || outer.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: its pods are not confined: %+v", name, outer)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s has a part of the host, or a token of the cluster", name)
		}
		for _, container := range pod.Containers {
			inner := container.SecurityContext
			if *inner.AllowPrivilegeEscalation || !*inner.ReadOnlyRootFilesystem || !slices.Equal(inner.Capabilities.Drop, []core.Capability{"ALL"}) {
				t.Errorf("%s: its container is not confined: %+v", name, inner)
			}
			if container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: its memory has no request or no limit", name)
			}
		}
	}
}

func TestKubernetesWorkersHaveNoPasswordOfAnAdmin(t *testing.T) {
	c := render(t)
	for _, from := range c.deployments["agentos-worker"].Spec.Template.Spec.Containers[0].EnvFrom {
		if from.SecretRef != nil {
			t.Errorf("workers have the whole secret %s", from.SecretRef.Name)
		}
	}
}
