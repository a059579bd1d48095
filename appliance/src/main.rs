//! `pagi-appliance`: parse, run, exit code.
use std::process::ExitCode;

use pagi_appliance::{app, cli};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(invocation) => app::execute(invocation),
        Err(error) => {
            // Nothing is left to be told to if stderr is gone.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
