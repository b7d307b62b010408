package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"sigs.k8s.io/yaml"
)

const terraformRoot = "../../terraform"

// terraformModule is what one folder of .tf files declares and asks for.
type terraformModule struct {
	dir       string
	names     map[string]bool            // "var.x", "local.x", "module.x", "data.type.name", "type.name"
	outputs   map[string]bool            //
	required  []string                   // variables without a default
	variables map[string]bool            //
	calls     map[string]*hclsyntax.Body // of modules, by name
	asked     []hcl.Traversal
	iterators map[string]bool // of dynamic blocks
}

func readModule(t *testing.T, dir string) *terraformModule {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Terraform in %s: %v", dir, err)
	}
	m := &terraformModule{dir: dir, names: map[string]bool{}, outputs: map[string]bool{}, variables: map[string]bool{},
		calls: map[string]*hclsyntax.Body{}, iterators: map[string]bool{}}
	parser := hclparse.NewParser()
	for _, path := range paths {
		file, problems := parser.ParseHCLFile(path)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			m.declare(b)
		}
		m.walk(file.Body.(*hclsyntax.Body))
	}
	return m
}

func (m *terraformModule) declare(b *hclsyntax.Block) {
	switch b.Type {
	case "variable":
		m.names["var."+b.Labels[0]] = true
		m.variables[b.Labels[0]] = true
		if _, ok := b.Body.Attributes["default"]; !ok {
			m.required = append(m.required, b.Labels[0])
		}
	case "locals":
		for name := range b.Body.Attributes {
			m.names["local."+name] = true
		}
	case "module":
		m.names["module."+b.Labels[0]] = true
		m.calls[b.Labels[0]] = b.Body
	case "output":
		m.outputs[b.Labels[0]] = true
	case "resource":
		m.names[strings.Join(b.Labels, ".")] = true
	case "data":
		m.names["data."+strings.Join(b.Labels, ".")] = true
	}
}

// walk collects what the expressions of a body refer to. Types of variables are no references.
func (m *terraformModule) walk(body *hclsyntax.Body) {
	for name, a := range body.Attributes {
		if name != "type" {
			m.asked = append(m.asked, a.Expr.Variables()...)
		}
	}
	for _, b := range body.Blocks {
		if b.Type == "terraform" || b.Type == "variable" && b.Body.Attributes["type"] != nil && len(b.Body.Blocks) == 0 {
			continue
		}
		if b.Type == "dynamic" {
			m.iterators[b.Labels[0]] = true
		}
		m.walk(b.Body)
	}
}

// target is the name that a reference is to; "" where it is to none of the module's.
func (m *terraformModule) target(ref hcl.Traversal) string {
	part := func(i int) string {
		if i < len(ref) {
			if a, ok := ref[i].(hcl.TraverseAttr); ok {
				return a.Name
			}
		}
		return "?"
	}
	switch root := ref.RootName(); {
	case slices.Contains([]string{"each", "count", "path", "self"}, root) || m.iterators[root]:
		return ""
	case root == "data":
		return "data." + part(1) + "." + part(2)
	default:
		return root + "." + part(1)
	}
}

func modules(t *testing.T) map[string]*terraformModule {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(terraformRoot, "modules", "*"))
	if err != nil || len(dirs) < 5 {
		t.Fatalf("modules: %v, %v", dirs, err)
	}
	all := map[string]*terraformModule{".": readModule(t, terraformRoot)}
	for _, dir := range dirs {
		all["./modules/"+filepath.Base(dir)] = readModule(t, dir)
	}
	return all
}

func TestEveryReferenceOfTerraformResolves(t *testing.T) {
	all := modules(t)
	called := map[string]bool{".": true}
	for name, m := range all {
		used := map[string]bool{}
		for _, ref := range m.asked {
			target := m.target(ref)
			used[target] = true
			if target != "" && !m.names[target] {
				t.Errorf("%s: %s is declared nowhere", ref.SourceRange(), target)
			}
			if module, ok := strings.CutPrefix(target, "module."); ok && m.calls[module] != nil {
				if err := outputExists(all, m.calls[module], ref); err != nil {
					t.Errorf("%s: %v", ref.SourceRange(), err)
				}
			}
		}
		for v := range m.variables {
			if !used["var."+v] {
				t.Errorf("%s: nobody uses variable %s", name, v)
			}
		}
		for call, body := range m.calls {
			source := sourceOf(body)
			called[source] = true
			checkCall(t, call, all[source], body)
		}
	}
	for name := range all {
		if !called[name] {
			t.Errorf("nobody calls module %s", name)
		}
	}
}

func sourceOf(body *hclsyntax.Body) string {
	v, _ := body.Attributes["source"].Expr.Value(nil)
	return v.AsString()
}

func outputExists(all map[string]*terraformModule, call *hclsyntax.Body, ref hcl.Traversal) error {
	source := sourceOf(call)
	if len(ref) < 3 {
		return fmt.Errorf("a whole module is no value")
	}
	if out, ok := ref[2].(hcl.TraverseAttr); !ok || !all[source].outputs[out.Name] {
		return fmt.Errorf("%s has no such output", source)
	}
	return nil
}

func checkCall(t *testing.T, call string, m *terraformModule, body *hclsyntax.Body) {
	t.Helper()
	if m == nil {
		t.Errorf("module %s calls what is not there", call)
		return
	}
	for argument := range body.Attributes {
		if !slices.Contains([]string{"source", "depends_on", "count", "for_each"}, argument) && !m.variables[argument] {
			t.Errorf("module %s is given %s, which it does not have", call, argument)
		}
	}
	for _, v := range m.required {
		if _, ok := body.Attributes[v]; !ok {
			t.Errorf("module %s is not given %s", call, v)
		}
	}
}

func TestTerraformIsFormattedAndItsVariablesAreDescribed(t *testing.T) {
	err := filepath.WalkDir(terraformRoot, func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".tf" && !strings.HasSuffix(path, ".tfvars.example") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			if os.Getenv("CAUDAL_FORMAT") != "" {
				return os.WriteFile(path, hclwrite.Format(text), 0o644)
			}
			t.Errorf("%s is not formatted: CAUDAL_FORMAT=1 makes this test do it", path)
		}
		file, problems := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
		if problems.HasErrors() {
			return problems
		}
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			if b.Type == "variable" && (b.Body.Attributes["description"] == nil || b.Body.Attributes["type"] == nil) {
				t.Errorf("%s: variable %s has no type or no description", path, b.Labels[0])
			}
			if b.Type == "output" && filepath.Dir(path) == terraformRoot && b.Body.Attributes["description"] == nil {
				t.Errorf("%s: output %s has no description", path, b.Labels[0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheExampleGivesEveryVariableThatHasNoDefault(t *testing.T) {
	root := readModule(t, terraformRoot)
	file, problems := hclparse.NewParser().ParseHCLFile(filepath.Join(terraformRoot, "terraform.tfvars.example"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	given := file.Body.(*hclsyntax.Body).Attributes
	for _, v := range root.required {
		if given[v] == nil {
			t.Errorf("terraform.tfvars.example does not give %s", v)
		}
	}
	for v := range given {
		if !root.variables[v] {
			t.Errorf("terraform.tfvars.example gives %s, which there is not", v)
		}
	}
}

// TestTerraformMakesWhatADeploymentHas holds the resources to the parts that a deployment has, and the roles to their rights.
func TestTerraformMakesWhatADeploymentHas(t *testing.T) {
	all := modules(t)
	for module, resources := range map[string][]string{
		"network": {"aws_vpc.this", "aws_subnet.private", "aws_vpc_endpoint.s3"},
		"kafka":   {"aws_msk_cluster.this", "aws_secretsmanager_secret.kafka"},
		"metrics": {"aws_prometheus_workspace.this", "aws_prometheus_rule_group_namespace.caudal", "aws_prometheus_alert_manager_definition.this"},
		"redis":   {"aws_elasticache_replication_group.this", "aws_elasticache_parameter_group.this", "aws_secretsmanager_secret.redis"},
		"lake": {"aws_s3_bucket.lake", "aws_s3_bucket_versioning.lake", "aws_s3_bucket_lifecycle_configuration.lake",
			"aws_s3_bucket_server_side_encryption_configuration.lake", "aws_s3_bucket_public_access_block.lake"},
		"roles":  {"aws_ecr_repository.this", "aws_ecs_service.role", "aws_ecs_task_definition.role", "aws_scheduler_schedule.batch", "aws_iam_role_policy.lake", "aws_iam_role_policy.kafka", "aws_iam_role_policy.metrics"},
		"athena": {"aws_glue_catalog_database.lake", "aws_athena_workgroup.this"},
		"alarms": {"aws_cloudwatch_metric_alarm.lag", "aws_cloudwatch_metric_alarm.batch_missed", "aws_cloudwatch_metric_alarm.redis_memory"},
	} {
		for _, r := range resources {
			if !all["./modules/"+module].names[r] {
				t.Errorf("module %s makes no %s", module, r)
			}
		}
	}
	var rights map[string]struct{ Put, Delete []string }
	text, err := os.ReadFile(filepath.Join(terraformRoot, "modules", "roles", "lake_rights.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &rights); err != nil {
		t.Fatal(err)
	}
	for role, r := range rights {
		if len(r.Delete) > 0 && role != "batch" {
			t.Errorf("%s may delete %v; batch alone may", role, r.Delete)
		}
		if slices.Contains(r.Put, "*") {
			t.Errorf("%s may put everything", role)
		}
	}
	if serve := rights["serve"].Put; len(serve) != 2 || serve[0] != "watch/silences.json" || serve[1] != "watch/acknowledged.json" {
		t.Errorf("serve may put %v, and not silences and acknowledgements alone", serve)
	}
	paths, err := filepath.Glob(filepath.Join(terraformRoot, "modules", "*", "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, all := range []string{`"s3:*"`, `"kms:*"`, `"kafka-cluster:*"`, `"aps:*"`} {
			if n := strings.Count(string(text), all); n > 0 && !strings.HasSuffix(path, "lake/main.tf") { // which denies everything to who comes without TLS
				t.Errorf("%s: %d times %s", path, n, all)
			}
		}
	}
}
