package check

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// overlay is what kustomize makes of one, decoded strictly into Kubernetes' own types.
type overlay struct {
	pods      map[string]corev1.PodSpec // by kind and name of the owner
	configs   []string
	secrets   []string
	schedules []batchv1.CronJob
	kinds     []string
}

func build(t *testing.T, path string) overlay {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		t.Fatal(err)
	}
	o := overlay{pods: map[string]corev1.PodSpec{}}
	for _, r := range made.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decode := func(into any) {
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
			}
		}
		o.kinds = append(o.kinds, r.GetKind())
		name := r.GetKind() + " " + r.GetName()
		switch r.GetKind() {
		case "Namespace":
			decode(&corev1.Namespace{})
		case "ServiceAccount":
			decode(&corev1.ServiceAccount{})
		case "Service":
			decode(&corev1.Service{})
		case "ConfigMap":
			decode(&corev1.ConfigMap{})
			o.configs = append(o.configs, r.GetName())
		case "Secret":
			decode(&corev1.Secret{})
			o.secrets = append(o.secrets, r.GetName())
		case "Deployment":
			var d appsv1.Deployment
			decode(&d)
			o.pods[name] = d.Spec.Template.Spec
		case "StatefulSet":
			var s appsv1.StatefulSet
			decode(&s)
			o.pods[name] = s.Spec.Template.Spec
		case "CronJob":
			var c batchv1.CronJob
			decode(&c)
			o.pods[name] = c.Spec.JobTemplate.Spec.Template.Spec
			o.schedules = append(o.schedules, c)
		case "HorizontalPodAutoscaler":
			decode(&autoscalingv2.HorizontalPodAutoscaler{})
		case "PodDisruptionBudget":
			decode(&policyv1.PodDisruptionBudget{})
		case "NetworkPolicy":
			decode(&networkingv1.NetworkPolicy{})
		default:
			t.Errorf("%s is of a kind that nobody checks", name)
		}
	}
	return o
}

func TestOverlaysAreWhole(t *testing.T) {
	for _, name := range []string{"small", "production"} {
		t.Run(name, func(t *testing.T) {
			o := build(t, "../kubernetes/overlays/"+name)
			for _, kind := range []string{"StatefulSet", "Deployment", "CronJob", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"} {
				if !slices.Contains(o.kinds, kind) {
					t.Errorf("no %s", kind)
				}
			}
			if len(o.pods) != 5 {
				t.Errorf("%d kinds of pods, not 5", len(o.pods))
			}
			for owner, pod := range o.pods {
				for _, complaint := range complaints(pod, o) {
					t.Errorf("%s: %s", owner, complaint)
				}
			}
			for _, c := range o.schedules {
				if c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
					t.Errorf("%s may overlap", c.Name)
				}
			}
		})
	}
}

// complaints are what a cluster with restricted pods, or the kubelet, would have against a pod.
func complaints(pod corev1.PodSpec, o overlay) (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
		add("may run as root, or without seccomp")
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && !slices.Contains(o.configs, v.ConfigMap.Name) {
			add("mounts ConfigMap %s, which is not there", v.ConfigMap.Name)
		}
	}
	for _, c := range pod.Containers {
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
			add("its root can be written to, or rights be gained")
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			add("has no limit of memory or asks for no CPU")
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				add("mounts volume %s, which is not there", m.Name)
			}
		}
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil && !slices.Contains(o.configs, e.ConfigMapRef.Name) || e.SecretRef != nil && !slices.Contains(o.secrets, e.SecretRef.Name) {
				add("reads variables from what is not there")
			}
		}
		long := c.Args[0] == "run"
		if long != (c.LivenessProbe != nil && c.ReadinessProbe != nil) {
			add("%v: a role has probes, a run has none", c.Args)
		}
	}
	return list
}
