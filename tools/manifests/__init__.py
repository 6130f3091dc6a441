"""Write the generated manifests of deploy/kubernetes."""
