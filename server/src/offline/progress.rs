//! A progress bar on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar, shown where standard error is a terminal.
pub(super) fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template(
        "{msg:<24} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
    );
    bar.set_style(style.expect("the template is valid"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
