//! Building the process from its parts, supervising it, and taking it down in order.
mod banner;
mod error;
mod listeners;
mod process;
mod run;

pub use error::AppError;
pub use listeners::Listeners;
pub use process::execute;
pub use run::run;
