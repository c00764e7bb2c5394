// Pulumi's Kubernetes provider. Upstream's own main embeds two generated files that its module lacks: the schema, which
// no program in Python asks for, and names of Terraform's.
package main

import (
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	provider.Serve("kubernetes", version.Version, []byte("{}"), []byte("{}"))
}
