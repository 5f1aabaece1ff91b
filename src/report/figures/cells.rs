//! A million points on a figure of a thousand px: each occupied cell is drawn once, however many points it holds.

use super::plot::Plot;

/// Counts of points by cell of a grid over a plot.
pub struct Cells {
    size: i32,
    columns: usize,
    counts: Vec<u32>,
    left: i32,
    top: i32,
}

/// Neighbouring cells of one row and one class: `left, top, right, bottom` in px.
pub struct Run {
    pub class: usize,
    pub corners: [i32; 4],
}

impl Cells {
    /// The finest of `sizes` (px, ascending) in which at most `most` cells or so are occupied; else the coarsest.
    /// That bounds a figure's size on disk.
    pub fn new(plot: &Plot, points: &[(i32, i32)], sizes: &[i32], most: usize) -> Cells {
        let mut cells = Cells::grid(plot, points, sizes.first().copied().unwrap_or(4));
        for &size in sizes.iter().skip(1) {
            if cells.counts.iter().filter(|n| **n > 0).count() <= most {
                break;
            }
            cells = Cells::grid(plot, points, size);
        }
        cells
    }

    fn grid(plot: &Plot, points: &[(i32, i32)], size: i32) -> Cells {
        let columns = ((plot.right - plot.left) / size + 1).max(1) as usize;
        let rows = ((plot.bottom - plot.top) / size + 1).max(1) as usize;
        let mut cells = Cells { size, columns, counts: vec![0; columns * rows], left: plot.left, top: plot.top };
        for &(x, y) in points {
            let (column, row) = (((x - plot.left) / size).max(0) as usize, ((y - plot.top) / size).max(0) as usize);
            if let Some(count) = cells.counts.get_mut(row * columns + column.min(columns - 1)) {
                *count = count.saturating_add(1);
            }
        }
        cells
    }

    /// Centres of the occupied cells.
    pub fn centres(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        let occupied = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        occupied.map(|(i, _)| {
            let (x, y) = self.corner(i);
            (x + self.size / 2, y + self.size / 2)
        })
    }

    #[cfg(test)]
    fn size(&self) -> i32 {
        self.size
    }

    /// Occupied cells, joined with their neighbours to the right where `class` of their counts is the same.
    pub fn runs(&self, class: impl Fn(u32) -> usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut before = None;
        for (i, &count) in self.counts.iter().enumerate() {
            let (x, y) = self.corner(i);
            let class = (count > 0).then(|| class(count));
            match (class, runs.last_mut()) {
                (Some(class), Some(run)) if before == Some(class) && i % self.columns > 0 => {
                    run.corners[2] = x + self.size;
                }
                (Some(class), _) => {
                    runs.push(Run { class, corners: [x, y, x + self.size, y + self.size] });
                }
                (None, _) => {}
            }
            before = class;
        }
        runs
    }

    fn corner(&self, index: usize) -> (i32, i32) {
        let (row, column) = (index / self.columns, index % self.columns);
        (self.left + column as i32 * self.size, self.top + row as i32 * self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::axis::Axis;
    use super::*;

    const PLOT: Plot = Plot {
        left: 10,
        right: 110,
        top: 20,
        bottom: 70,
        x: Axis { from: 0.0, to: 1.0, log: false },
        y: Axis { from: 0.0, to: 1.0, log: false },
    };

    #[test]
    fn a_cell_is_drawn_once_and_neighbours_join() {
        let points = [(10, 20), (11, 21), (14, 20), (22, 20), (110, 70), (-5, 900)];
        let cells = Cells::new(&PLOT, &points, &[4], 1000);
        let runs = cells.runs(|n| usize::from(n > 5));
        let corners: Vec<_> = runs.iter().map(|r| r.corners).collect();
        assert_eq!(corners, [[10, 20, 18, 24], [22, 20, 26, 24], [110, 68, 114, 72]]);
        assert_eq!(cells.centres().next(), Some((12, 22)));
    }

    #[test]
    fn too_many_cells_make_coarser_ones() {
        let points: Vec<_> = (10..110).flat_map(|x| (20..70).map(move |y| (x, y))).collect();
        assert_eq!(Cells::new(&PLOT, &points, &[4, 8, 16], 100).size(), 8);
        assert_eq!(Cells::new(&PLOT, &points, &[4, 8, 16], 1).size(), 16);
    }
}
