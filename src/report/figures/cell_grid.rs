//! A figure of a thousand px may show a million points. Each occupied cell of a grid is drawn once, however many points
//! it contains.

use super::plot_area::PlotArea;

/// The number of points in each cell of a grid over a plot.
pub struct CellGrid {
    size: i32,
    columns: usize,
    counts: Vec<u32>,
    left: i32,
    top: i32,
}

/// Neighbouring cells of one row and one class.
pub struct CellRun {
    pub class: usize,
    /// Left, top, right and bottom in px.
    pub corners: [i32; 4],
}

impl CellGrid {
    /// The first of `sizes` (cell sizes in px, ascending) with at most `most` occupied cells, or the last one. This bounds
    /// the size of the file.
    pub fn new(area: &PlotArea, points: &[(i32, i32)], sizes: &[i32], most: usize) -> CellGrid {
        let mut cells = CellGrid::grid(area, points, sizes.first().copied().unwrap_or(4));
        for &size in sizes.iter().skip(1) {
            if cells.counts.iter().filter(|n| **n > 0).count() <= most {
                break;
            }
            cells = CellGrid::grid(area, points, size);
        }
        cells
    }

    fn grid(area: &PlotArea, points: &[(i32, i32)], size: i32) -> CellGrid {
        let columns = ((area.right - area.left) / size + 1).max(1) as usize;
        let rows = ((area.bottom - area.top) / size + 1).max(1) as usize;
        let mut cells = CellGrid { size, columns, counts: vec![0; columns * rows], left: area.left, top: area.top };
        for &(x, y) in points {
            let (column, row) = (((x - area.left) / size).max(0) as usize, ((y - area.top) / size).max(0) as usize);
            if let Some(count) = cells.counts.get_mut(row * columns + column.min(columns - 1)) {
                *count = count.saturating_add(1);
            }
        }
        cells
    }

    /// The centres of the occupied cells.
    pub fn centres(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        let occupied = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        occupied.map(|(i, _)| {
            let (x, y) = self.corner(i);
            (x + self.size / 2, y + self.size / 2)
        })
    }

    /// The number of points in the fullest cell.
    pub fn most(&self) -> u32 {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    #[cfg(test)]
    fn size(&self) -> i32 {
        self.size
    }

    /// The occupied cells. Neighbours in a row are joined if `class` gives the same class for their counts.
    pub fn runs(&self, class: impl Fn(u32) -> usize) -> Vec<CellRun> {
        let mut runs: Vec<CellRun> = Vec::new();
        let mut before = None;
        for (i, &count) in self.counts.iter().enumerate() {
            let (x, y) = self.corner(i);
            let class = (count > 0).then(|| class(count));
            match (class, runs.last_mut()) {
                (Some(class), Some(run)) if before == Some(class) && i % self.columns > 0 => {
                    run.corners[2] = x + self.size;
                }
                (Some(class), _) => {
                    runs.push(CellRun { class, corners: [x, y, x + self.size, y + self.size] });
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

    const PLOT: PlotArea = PlotArea {
        left: 10,
        right: 110,
        top: 20,
        bottom: 70,
        x: Axis { from: 0.0, to: 1.0, log: false },
        y: Axis { from: 0.0, to: 1.0, log: false },
    };

    #[test]
    fn each_occupied_cell_is_drawn_once_and_neighbours_are_joined() {
        let points = [(10, 20), (11, 21), (14, 20), (22, 20), (110, 70), (-5, 900)];
        let cells = CellGrid::new(&PLOT, &points, &[4], 1000);
        let runs = cells.runs(|n| usize::from(n > 5));
        let corners: Vec<_> = runs.iter().map(|r| r.corners).collect();
        assert_eq!(corners, [[10, 20, 18, 24], [22, 20, 26, 24], [110, 68, 114, 72]]);
        assert_eq!(cells.centres().next(), Some((12, 22)));
    }

    #[test]
    fn too_many_occupied_cells_give_a_coarser_grid() {
        let points: Vec<_> = (10..110).flat_map(|x| (20..70).map(move |y| (x, y))).collect();
        assert_eq!(CellGrid::new(&PLOT, &points, &[4, 8, 16], 100).size(), 8);
        assert_eq!(CellGrid::new(&PLOT, &points, &[4, 8, 16], 1).size(), 16);
    }
}
