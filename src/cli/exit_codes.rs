//! The exit codes that most commands share, as a part of their help.

/// Text before the list of shared exit codes, the list with further ones in it, and text after it.
macro_rules! with_exit_codes {
    ($before:literal, $after:literal) => {
        with_exit_codes!($before, "", $after)
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
