//! Tasks that run beside the requests: started together, restarted when they fail, drained at shutdown.
