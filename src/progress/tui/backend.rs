//! Writes the changes of a screen as escape sequences.

use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use rustix::termios::tcgetwinsize;

/// The size of a terminal that does not know its size.
const DEFAULT_SIZE: Size = Size { width: 80, height: 24 };

/// Draws on the terminal at standard error.
///
/// ratatui's other backends bring an event loop of their own, and nothing is read from the terminal here.
pub struct AnsiBackend<W> {
    writer: W,
    /// Where the program wants the cursor.
    cursor: Position,
}

impl<W: Write> AnsiBackend<W> {
    pub fn new(writer: W) -> AnsiBackend<W> {
        AnsiBackend { writer, cursor: Position::ORIGIN }
    }
}

impl<W: Write> Backend for AnsiBackend<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut text = String::new();
        let mut next = None;
        let mut style = None;
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                text.push_str(&format!("\x1b[{};{}H", y + 1, x + 1));
            }
            // A wide character is followed by a gap in `content`, which moves the cursor.
            next = Some((x + 1, y));
            let cell_style = (cell.fg, cell.bg, cell.modifier);
            if style != Some(cell_style) {
                style = Some(cell_style);
                text.push_str(&select_style(cell.fg, cell.bg, cell.modifier));
            }
            text.push_str(cell.symbol());
        }
        text.push_str("\x1b[0m");
        self.writer.write_all(text.as_bytes())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.writer.write_all(b"\x1b[?25l")
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.writer.write_all(b"\x1b[?25h")
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        write!(self.writer, "\x1b[{};{}H", self.cursor.y + 1, self.cursor.x + 1)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.writer.write_all(match clear_type {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[K",
        })
    }

    fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stderr()).map(|size| Size { width: size.ws_col, height: size.ws_row });
        Ok(size.ok().filter(|size| size.width > 0 && size.height > 0).unwrap_or(DEFAULT_SIZE))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The escape sequence for a style, which ends the style before it.
fn select_style(fg: Color, bg: Color, modifier: Modifier) -> String {
    let mut text = "\x1b[0".to_owned();
    for (flag, code) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)] {
        if modifier.contains(flag) {
            text.push_str(&format!(";{code}"));
        }
    }
    for (color, offset) in [(fg, 0), (bg, 10)] {
        match color {
            Color::Rgb(r, g, b) => text.push_str(&format!(";{};2;{r};{g};{b}", 38 + offset)),
            Color::Indexed(index) => text.push_str(&format!(";{};5;{index}", 38 + offset)),
            named => text.extend(color_code(named).map(|code| format!(";{}", code + offset))),
        }
    }
    text.push('m');
    text
}

/// The code of a named colour as the foreground. `None` for the terminal's own.
fn color_code(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_with_as_few_moves_and_styles_as_needed() {
        let mut written = Vec::new();
        let mut backend = AnsiBackend::new(&mut written);
        let mut bold = Cell::new("b");
        bold.modifier = Modifier::BOLD;
        (bold.fg, bold.bg) = (Color::Red, Color::Indexed(7));
        let plain = Cell::new("a");
        backend.draw([(0, 0, &plain), (1, 0, &plain), (2, 0, &bold), (0, 4, &bold)].into_iter()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "\x1b[1;1H\x1b[0maa\x1b[0;1;31;48;5;7mb\x1b[5;1Hb\x1b[0m");
    }
}
