package deploy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"carillon/server/config"
)

const manifestFile = "kubernetes/carillon.yaml"

// TestManifestSettings has the gateway read the file and the environment of a pod.
func TestManifestSettings(t *testing.T) {
	m := readManifest(t)
	c := m.container(t)
	secrets := regexp.MustCompile(`--from-literal=([a-z-]+)=`).FindAllStringSubmatch(read(t, manifestFile), -1)
	var environ, runtime []string
	for _, v := range c.Env {
		value := v.Value
		switch {
		case v.ValueFrom.SecretKeyRef.Key != "":
			value = strings.Repeat("s3cret-", 8)
			if !slices.ContainsFunc(secrets, func(s []string) bool { return s[1] == v.ValueFrom.SecretKeyRef.Key }) {
				t.Errorf("%s: the manifest does not tell how to make the secret %s", v.Name, v.ValueFrom.SecretKeyRef.Key)
			}
		case v.ValueFrom.FieldRef.FieldPath == "metadata.name":
			value = m.StatefulSet.Metadata.Name + "-0"
		}
		if strings.HasPrefix(v.Name, "GO") { // for Go's runtime
			runtime = append(runtime, v.Name+"="+value)
		} else {
			environ = append(environ, v.Name+"="+value)
		}
	}
	volumes := map[string]string{}
	for _, v := range m.pod().Volumes {
		volumes[v.Name] = v.ConfigMap.Name
	}
	if len(c.VolumeMounts) != 1 || volumes[c.VolumeMounts[0].Name] != m.ConfigMap.Metadata.Name || len(m.ConfigMap.Data) != 1 {
		t.Fatalf("mounts %+v, volumes %v, want the ConfigMap alone", c.VolumeMounts, volumes)
	}
	for name, text := range m.ConfigMap.Data {
		checkServe(t, manifestFile, c.Args, c.VolumeMounts[0].MountPath+"/"+name)
		l := load(t, manifestFile, environ, text)
		m.checkConfig(t, l.Config)
	}
	if want := []string{"GOMEMLIMIT=1280MiB"}; !slices.Equal(runtime, want) || c.Resources.Limits["memory"] != "2Gi" {
		t.Errorf("runtime %q with %s of memory, want %q with 2Gi", runtime, c.Resources.Limits["memory"], want)
	}
}

// checkConfig compares what the gateway is told with what Kubernetes is.
func (m *manifest) checkConfig(t *testing.T, cfg config.Config) {
	t.Helper()
	c := m.container(t)
	if cfg.Server.NodeID != m.StatefulSet.Metadata.Name+"-0" {
		t.Errorf("the node id is %q, want the name of the pod", cfg.Server.NodeID)
	}
	if cfg.PresenceKind() != "redis" || cfg.BusKind() != "rabbitmq" || len(cfg.Admin.Tokens) == 0 || cfg.Auth.Mode == config.AuthDemo {
		t.Errorf("presence %s, bus %s, %d admin tokens, auth %s", cfg.PresenceKind(), cfg.BusKind(), len(cfg.Admin.Tokens), cfg.Auth.Mode)
	}
	_, push, err := net.SplitHostPort(cfg.Admin.Listen)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"clients": cfg.Server.Port, "push": atoi(t, push)}
	ports := map[string]int{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if !maps.Equal(ports, want) {
		t.Errorf("ports are %v, want %v", ports, want)
	}
	for name, s := range m.services {
		for _, p := range s.Spec.Ports {
			if want[p.TargetPort] == 0 || p.Port != want[p.TargetPort] {
				t.Errorf("service %s: port %+v leads nowhere", name, p)
			}
		}
	}
	wait := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	grace := time.Duration(m.pod().TerminationGracePeriodSeconds) * time.Second
	if wait <= 0 || grace <= wait+cfg.Server.ShutdownTimeout || cfg.Server.ShutdownTimeout <= cfg.Server.DrainWindow {
		t.Errorf("grace %v, preStop %v, shutdown timeout %v, drain window %v", grace, wait, cfg.Server.ShutdownTimeout, cfg.Server.DrainWindow)
	}
	if cores := c.Resources.Requests["cpu"]; cores != strconv.Itoa(cfg.Server.EventLoops) {
		t.Errorf("%s cores are requested for %d event loops", cores, cfg.Server.EventLoops)
	}
}

// TestManifestReferences checks that what one object names is there in another.
func TestManifestReferences(t *testing.T) {
	m := readManifest(t)
	labels := m.StatefulSet.Spec.Template.Metadata.Labels
	selectors := map[string]map[string]string{
		"PodDisruptionBudget": m.PodDisruptionBudget.Spec.Selector.MatchLabels,
		"StatefulSet":         m.StatefulSet.Spec.Selector.MatchLabels,
	}
	for name, s := range m.services {
		selectors["service "+name] = s.Spec.Selector
	}
	for _, c := range m.pod().TopologySpreadConstraints {
		selectors["spread over "+c.TopologyKey] = c.LabelSelector.MatchLabels
	}
	for what, s := range selectors {
		if len(s) == 0 || !maps.Equal(s, labels) {
			t.Errorf("%s selects %v, the pods have %v", what, s, labels)
		}
	}
	if len(m.services) != 3 {
		t.Errorf("services are %v", slices.Sorted(maps.Keys(m.services)))
	}
	if s := m.services[m.StatefulSet.Spec.ServiceName]; s == nil || s.Spec.ClusterIP != "None" || !s.Spec.PublishNotReadyAddresses {
		t.Errorf("the pods are named by %q, want a headless service", m.StatefulSet.Spec.ServiceName)
	}
	if n := m.PodDisruptionBudget.Spec.MaxUnavailable; n != 1 || m.StatefulSet.Spec.Replicas < 2 {
		t.Errorf("%d of %d may be unavailable", n, m.StatefulSet.Spec.Replicas)
	}
}

// TestManifestProbes asks a gateway what the probes ask.
func TestManifestProbes(t *testing.T) {
	g := startGateway(t)
	c := readManifest(t).container(t)
	for want, p := range map[string]probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p.HTTPGet.Path != want || p.HTTPGet.Port != "push" {
			t.Errorf("the probe is %+v, want %s", p.HTTPGet, want)
		}
		res, err := http.Get("http://" + g.addr + p.HTTPGet.Path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", p.HTTPGet.Path, res.Status)
		}
	}
	if l, r := c.LivenessProbe, c.ReadinessProbe; l.PeriodSeconds*l.FailureThreshold < 10*r.PeriodSeconds*r.FailureThreshold {
		t.Errorf("restarts after %d s, takes out of service after %d s", l.PeriodSeconds*l.FailureThreshold, r.PeriodSeconds*r.FailureThreshold)
	}
}

// TestManifestSecurity checks that the gateway may do no more than it has to.
func TestManifestSecurity(t *testing.T) {
	m := readManifest(t)
	p, c := m.pod(), m.container(t)
	user := regexp.MustCompile(`(?m)^USER (\d+):(\d+)`).FindStringSubmatch(read(t, "Dockerfile"))
	if user == nil || atoi(t, user[1]) != p.SecurityContext.RunAsUser || atoi(t, user[2]) != p.SecurityContext.RunAsGroup {
		t.Errorf("runs as %+v, the image has %v", p.SecurityContext, user)
	}
	if s := c.SecurityContext; !p.SecurityContext.RunAsNonRoot || p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" ||
		no(s.AllowPrivilegeEscalation) != "no" || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("security is %+v and %+v", p.SecurityContext, s)
	}
	if no(p.EnableServiceLinks) != "no" || no(p.AutomountServiceAccountToken) != "no" {
		t.Error("service links or the token of the service account are not switched off")
	}
}

// no tells "no" for a setting that is there and false.
func no(setting *bool) string {
	switch {
	case setting == nil:
		return "default"
	case *setting:
		return "yes"
	}
	return "no"
}

func readManifest(t *testing.T) *manifest {
	t.Helper()
	m := &manifest{services: map[string]*k8sService{}}
	documents := yaml.NewDecoder(bytes.NewBufferString(read(t, manifestFile)))
	for {
		var document yaml.Node
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string `yaml:"kind"`
			Metadata   meta   `yaml:"metadata"`
		}
		if err := document.Decode(&head); err != nil {
			t.Fatal(err)
		}
		var object any
		switch head.APIVersion + " " + head.Kind {
		case "v1 ConfigMap":
			object = &m.ConfigMap
		case "v1 Service":
			m.services[head.Metadata.Name] = &k8sService{}
			object = m.services[head.Metadata.Name]
		case "policy/v1 PodDisruptionBudget":
			object = &m.PodDisruptionBudget
		case "apps/v1 StatefulSet":
			object = &m.StatefulSet
		default:
			t.Fatalf("an object of kind %s %s", head.APIVersion, head.Kind)
		}
		text, err := yaml.Marshal(&document)
		if err != nil {
			t.Fatal(err)
		}
		strict := yaml.NewDecoder(bytes.NewReader(text))
		strict.KnownFields(true)
		if err := strict.Decode(object); err != nil {
			t.Fatalf("%s %s: %v", head.Kind, head.Metadata.Name, err)
		}
	}
	return m
}
