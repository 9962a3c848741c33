//! The `postern` binary.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use postern::cli;

// Many small, short-lived allocations on many threads: it holds on to less memory and is faster there than the system's.
// Without huge pages (`no_thp`): with them the program takes 20 MiB more while it is idle. Also for what is written in C, SQLite foremost
// (`override`): one that gives memory back to the system after each statement takes it anew for the next.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Resolvers nest deep futures; unoptimized ones are far larger than the default of 2 MiB was made for.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Tasks between two looks at those that other threads woke: SQLite's and the hashing ones. Who waits for them holds the one writer, or has waited for
/// a hash already, and goes first.
const LOOKS_OUTSIDE_EVERY: u32 = 1;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    // It has little memory, and needs nothing of what follows.
    if let Some(cli::Command::MakePicture) = arguments.command {
        return cli::make_picture::run();
    }
    // Fails only where one is installed already, which serves as well.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_stack_size(STACK_BYTES).global_queue_interval(LOOKS_OUTSIDE_EVERY);
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::fail(format_args!("the runtime does not start: {error}")),
    };
    let code = runtime.block_on(cli::run(arguments));
    // A read of the terminal that nobody waits for must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
