package serving

import "github.com/caudal/caudal/serving/auth"

// everything are the rights of who may do everything.
func everything() auth.Grant { return auth.Grant{Role: auth.Admin} }
