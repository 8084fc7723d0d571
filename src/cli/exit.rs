//! What the process exits with.

use std::process::ExitCode;

/// Exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The run failed.
    Failure = 1,
    /// The command line or the config is wrong.
    Usage = 2,
    /// `validate --strict` found warnings.
    Warnings = 3,
    /// Stopped by Ctrl-C, 128 and the number of the signal.
    Interrupted = 130,
}

/// The table below every help text.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  success
    1  the run failed
    2  the command line or the configuration is wrong
    3  warnings, with validate --strict
  130  interrupted by Ctrl-C";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_the_help() {
        for exit in [Exit::Ok, Exit::Failure, Exit::Usage, Exit::Warnings, Exit::Interrupted] {
            let code = format!("{:>5}  ", exit as u8);
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&code)), "{exit:?}");
        }
    }
}
