//! The exit codes that most commands share, as a part of their help.

/// Text before the list of shared exit codes, the list with further ones in it, and text after it.
macro_rules! with_exit_codes {
    ($before:literal, $after:literal) => {
        $crate::cli::exit_codes::with_exit_codes!($before, "", $after)
    };
    ($before:literal, $more:literal, $after:literal) => {
        concat!(
            $before,
            "Exit codes:\n",
            "  0    success\n",
            "  1    error or invalid usage\n",
            $more,
            "  130  ended by SIGINT\n",
            "  143  ended by SIGTERM\n",
            "  129  ended by SIGHUP",
            $after
        )
    };
}
pub(super) use with_exit_codes;

/// The exit codes of verdicts, with text after the last one.
macro_rules! verdict_exit_codes {
    ($after:literal) => {
        concat!(
            "\n\nExit codes of the verdict, with --exit-code:\n",
            "  0    STABLE, UNAFFECTED or RECOVERED\n",
            "  10   METASTABLE\n",
            "  11   DRAINING\n",
            "  12   DEGRADED\n",
            "  13   OSCILLATING\n",
            "  14   OVERLOADED\n",
            "  20   INVALID",
            $after
        )
    };
}
pub(super) use verdict_exit_codes;

/// The same for commands whose exit code may be that of a verdict.
macro_rules! with_verdict_exit_codes {
    ($before:literal) => {
        concat!(
            $crate::cli::exit_codes::with_exit_codes!($before, "  4    a threshold failed\n", ""),
            $crate::cli::exit_codes::verdict_exit_codes!(", or the run has not ended")
        )
    };
}
pub(super) use with_verdict_exit_codes;
