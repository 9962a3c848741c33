//! The one row about the deployment.
