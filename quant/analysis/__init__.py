"""What is sensitive: losses by layer and branch, Hessian traces."""
