//! Keys derived per purpose from the secrets of the deployment.
