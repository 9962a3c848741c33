//! Device, browser and operating system from the user agent.
