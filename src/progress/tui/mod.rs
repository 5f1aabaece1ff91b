//! Progress on the whole screen of a terminal.

mod backend;
mod full_screen;
mod history;
mod screen;

use super::{Progress, ProgressEvent, ProgressOutput};
use full_screen::FullScreen;
use history::History;
use screen::draw;

pub use full_screen::can_use_full_screen;

/// The most events that a screen can show.
const MOST_EVENTS: usize = 100;

/// What the screen shows.
#[derive(Clone, Debug)]
struct View {
    /// What runs.
    title: String,
    has_colors: bool,
    progress: Progress,
    history: History,
    /// The latest last.
    events: Vec<ProgressEvent>,
}

impl View {
    fn new(title: &str, has_colors: bool, progress: &Progress) -> View {
        View {
            title: title.to_owned(),
            has_colors,
            progress: progress.clone(),
            history: History::default(),
            events: Vec::new(),
        }
    }

    fn add(&mut self, progress: &Progress) {
        self.progress = progress.clone();
        self.history.add(progress);
        self.events.extend(progress.events.iter().cloned());
        let too_many = self.events.len().saturating_sub(MOST_EVENTS);
        self.events.drain(..too_many);
    }
}

/// Shows progress on the whole screen. What was on the screen before is back when this is dropped.
pub struct TuiOutput {
    title: String,
    has_colors: bool,
    /// `None` until the first progress: until then the run may print.
    shown: Option<(FullScreen, View)>,
}

impl TuiOutput {
    /// The screen of a run with this title. It has colours unless the environment variable `NO_COLOR` is set.
    pub fn new(title: String) -> TuiOutput {
        let has_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        TuiOutput { title, has_colors, shown: None }
    }
}

impl ProgressOutput for TuiOutput {
    fn show(&mut self, progress: &Progress) {
        if self.shown.is_none() {
            let Ok(screen) = FullScreen::enter() else { return };
            self.shown = Some((screen, View::new(&self.title, self.has_colors, progress)));
        }
        if let Some((screen, view)) = &mut self.shown {
            view.add(progress);
            screen.draw(|frame| draw(frame, view));
        }
    }
}
