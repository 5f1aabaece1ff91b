//! The predicted map: for each rate, the shortest outage that leaves the twin stuck.

use super::boundary::{Boundary, OutageSearch, find_stable_rate};
use super::plan::{TwinOverrides, TwinPlan};
use crate::plan::InvalidSetting;
use crate::units::{Time, round_digits};

/// What is mapped.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinMapPlan {
    /// In requests/s. `None`: they follow from the stable rate and the capacity.
    pub rates: Option<Vec<f64>>,
    /// The range of outages.
    pub outages: (Time, Time),
    /// How many seeds each rate is simulated with, from the seed of the twin on. At least 1.
    pub seeds: u64,
    /// Search for the stable rate too. Without given rates it is searched anyway.
    pub stable_rate: bool,
}

/// The outages of a map, unless the user names others.
pub const DEFAULT_OUTAGES: (Time, Time) = (Time::from_millis(20), Time::from_secs(30));
/// The seeds of a map, unless the user names another number.
pub const DEFAULT_SEEDS: u64 = 5;

/// A predicted map.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinMap {
    /// By rate.
    pub columns: Vec<TwinColumn>,
    /// In requests/s, for the outage of the twin, or for the longest one of the map if the twin has none. `None` if it was
    /// not searched.
    pub stable_rate: Option<Boundary>,
    /// In attempts/s.
    pub capacity: f64,
    /// Every simulated run of the columns, by seed.
    pub runs: Vec<TwinMapRun>,
}

/// What the seeds say at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwinColumn {
    /// In requests/s.
    pub rate: f64,
    pub outage: ColumnOutage,
}

/// The shortest outage in seconds that leaves the twin stuck.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColumnOutage {
    /// The median, the least and the largest one of the seeds.
    Found { low: f64, value: f64, high: f64 },
    /// No outage of the range leaves it stuck.
    Never,
    /// Every outage of the range leaves it stuck.
    Always,
    /// The twin does not carry this rate without an outage.
    Overloaded,
}

/// A simulated run.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinMapRun {
    pub rate: f64,
    pub outage: Time,
    pub seed: u64,
    pub verdict: String,
}

/// Without given rates: this many columns, from the first multiple of the stable rate to the second one of the twin's rate,
/// or to this part of the capacity if that is less.
const COLUMNS: usize = 9;
const FROM: f64 = 1.05;
const TO: f64 = 1.2;
const OF_CAPACITY: f64 = 0.95;
/// How close two outages with different outcomes are in the end.
const PRECISION: f64 = 1.03;

impl TwinMap {
    /// Simulates the columns. The same plans give the same map, on however many cores.
    ///
    /// # Errors
    /// [`InvalidSetting`] if a run at one of the rates, or with one of the outages, is not possible.
    pub fn simulate(twin: &TwinPlan, map: &TwinMapPlan) -> Result<TwinMap, InvalidSetting> {
        let outage = if twin.outage().is_none() { Some(map.outages.1) } else { None };
        let stable_rate = match map.stable_rate || map.rates.is_none() {
            true => find_stable_rate(&twin.vary(&TwinOverrides { outage, ..TwinOverrides::default() })?)?,
            false => None,
        };
        let capacity = find_capacity(twin);
        let mut rates = map.rates.clone().unwrap_or_else(|| choose_rates(twin.rate(), stable_rate, capacity));
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let first = twin.settings().load.seed;
        let seeds: Vec<u64> = (0..map.seeds).map(|i| first.wrapping_add(i)).collect();
        let at_once = count_threads(twin, map, &rates)?;
        let mut found: Vec<SeedColumns> = Vec::new();
        for seeds in seeds.chunks(at_once) {
            let results: Vec<_> = std::thread::scope(|scope| {
                let start = |&seed: &u64| {
                    scope.spawn({
                        let rates = &rates;
                        move || simulate_seed(twin, map, rates, seed)
                    })
                };
                let threads: Vec<_> = seeds.iter().map(start).collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            for result in results {
                found.push(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
        }
        let column = |(i, &rate): (usize, &f64)| {
            let outage = ColumnOutage::of(found.iter().map(|seed| seed.outages[i]).collect(), map.outages);
            TwinColumn { rate, outage }
        };
        let columns = rates.iter().enumerate().map(column).collect();
        Ok(TwinMap { columns, stable_rate, capacity, runs: found.into_iter().flat_map(|seed| seed.runs).collect() })
    }
}

/// What one seed says of all columns. `None` at a rate that the twin does not carry.
struct SeedColumns {
    outages: Vec<Option<Boundary>>,
    runs: Vec<TwinMapRun>,
}

/// Searches the columns from the highest rate down, where the boundaries change least: each begins at that of the one
/// before.
fn simulate_seed(twin: &TwinPlan, map: &TwinMapPlan, rates: &[f64], seed: u64) -> Result<SeedColumns, InvalidSetting> {
    let [shortest, longest] = [map.outages.0, map.outages.1].map(Time::as_secs_f64);
    let mut search = OutageSearch { shortest, longest, precision: PRECISION, guess: None };
    let (mut outages, mut runs) = (Vec::new(), Vec::new());
    for &rate in rates.iter().rev() {
        let at_rate = twin.vary(&TwinOverrides { rate: Some(rate), seed: Some(seed), ..TwinOverrides::default() })?;
        let found = search.run(&at_rate, |outage, verdict| {
            runs.push(TwinMapRun { rate, outage, seed, verdict: verdict.name() });
        })?;
        search.guess = found.and_then(Boundary::value).or(search.guess);
        outages.push(found);
    }
    outages.reverse();
    Ok(SeedColumns { outages, runs })
}

impl ColumnOutage {
    fn of(seeds: Vec<Option<Boundary>>, outages: (Time, Time)) -> ColumnOutage {
        let [shortest, longest] = [outages.0, outages.1].map(Time::as_secs_f64);
        let carried: Vec<Boundary> = seeds.iter().flatten().copied().collect();
        if 2 * carried.len() <= seeds.len() {
            return ColumnOutage::Overloaded;
        }
        let value = |boundary: Boundary| match boundary {
            Boundary::Between(low, high) => (low * high).sqrt(),
            Boundary::Above(_) => f64::INFINITY,
            Boundary::Below(_) => 0.0,
        };
        let mut values: Vec<f64> = carried.into_iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        // Of an even number, the lower one of the two in the middle.
        match values[(values.len() - 1) / 2] {
            f64::INFINITY => ColumnOutage::Never,
            0.0 => ColumnOutage::Always,
            value => {
                ColumnOutage::Found { low: values[0].max(shortest), value, high: values[values.len() - 1].min(longest) }
            }
        }
    }
}

/// What a healthy system serves, in attempts/s.
fn find_capacity(twin: &TwinPlan) -> f64 {
    let system = &twin.settings().system;
    f64::from(system.servers) / system.service_time.as_secs_f64()
}

/// A geometric sequence of rates: from just above the stable rate, if there is one, to a little above the rate of the twin,
/// or to just below the capacity.
fn choose_rates(rate: f64, stable_rate: Option<Boundary>, capacity: f64) -> Vec<f64> {
    let from = match stable_rate {
        Some(Boundary::Between(low, high)) => FROM * (low * high).sqrt(),
        Some(Boundary::Below(high)) => high,
        Some(Boundary::Above(_)) | None => rate / 2.0,
    };
    let wanted = (TO * rate).min(OF_CAPACITY * capacity);
    // A twin whose rate is far below its stable rate, or far above its capacity, has a range of its own.
    let to = if wanted > FROM * from { wanted } else { (2.0 * from).min(OF_CAPACITY * capacity).max(FROM * from) };
    let step = (to / from).powf(1.0 / (COLUMNS - 1) as f64);
    (0..COLUMNS).map(|i| round_digits(from * step.powi(i as i32), 3)).collect()
}

/// How many seeds are simulated at once: one per core, as far as the memory suffices.
fn count_threads(twin: &TwinPlan, map: &TwinMapPlan, rates: &[f64]) -> Result<usize, InvalidSetting> {
    let largest =
        TwinOverrides { rate: rates.last().copied(), outage: Some(map.outages.1), ..TwinOverrides::default() };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(twin.vary(&largest)?.runs_at_once().min(cores))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{RETRY_STORM, twin};
    use super::*;

    fn map(rates: Option<Vec<f64>>) -> TwinMapPlan {
        TwinMapPlan { rates, outages: DEFAULT_OUTAGES, seeds: 1, stable_rate: false }
    }

    #[test]
    fn the_map_of_the_retry_storm_is_that_of_the_closed_form() {
        let plan = map(Some(vec![420.0, 300.0, 100.0, 300.0]));
        let predicted = TwinMap::simulate(&twin(RETRY_STORM), &plan).unwrap();
        assert_eq!((predicted.capacity, predicted.stable_rate), (400.0, None));
        let [never, found, overloaded] = &predicted.columns[..] else { panic!("{:?}", predicted.columns) };
        assert_eq!((never.rate, found.rate, overloaded.rate), (100.0, 300.0, 420.0));
        assert_eq!((never.outage, overloaded.outage), (ColumnOutage::Never, ColumnOutage::Overloaded));
        // 300 * (D + D - 0.2) attempts are more than 400 * 0.2 if D is above 0.233 s.
        let ColumnOutage::Found { low, value, high } = found.outage else { panic!("{found:?}") };
        assert!(low <= value && value <= high && (value / 0.2333 - 1.0).abs() < 0.2, "{found:?}");
        // The runs tell where the boundary is: all that tipped had a longer outage.
        let at_300 = predicted.runs.iter().filter(|run| run.rate == 300.0);
        let (tipped, safe): (Vec<_>, Vec<_>) = at_300.partition(|run| run.verdict == "METASTABLE");
        let tipped = tipped.iter().map(|run| run.outage).min().unwrap().as_secs_f64();
        let safe = safe.iter().map(|run| run.outage).max().unwrap().as_secs_f64();
        assert!(safe < tipped && tipped / safe < 1.04, "{safe}..{tipped}");
    }

    #[test]
    fn the_same_seeds_give_the_same_map_on_every_core() {
        let sregym = include_str!("../../experiments/twin/sregym.toml");
        let plan = TwinMapPlan { seeds: 3, ..map(Some(vec![8.0, 12.0])) };
        let predict = || TwinMap::simulate(&twin(sregym), &plan).unwrap();
        let predicted = predict();
        assert!(predicted == predict());
        let seeds: Vec<u64> = predicted.runs.iter().map(|run| run.seed).collect();
        assert!(seeds.is_sorted() && seeds.last() == Some(&3), "{seeds:?}");
    }

    #[test]
    fn without_given_rates_the_columns_begin_above_the_stable_rate() {
        let between = Some(Boundary::Between(133.0, 134.0));
        let rates = choose_rates(200.0, between, 400.0);
        assert_eq!((rates.len(), rates[0], rates[8]), (COLUMNS, 140.0, 240.0));
        assert!(rates.is_sorted_by(|a, b| a < b));
        // Near the capacity, far above it, and far below the stable rate.
        let ends = |rate, stable_rate| {
            let rates = choose_rates(rate, stable_rate, 400.0);
            (rates[0], rates[8])
        };
        assert_eq!(ends(380.0, between), (140.0, 380.0));
        assert_eq!(ends(50.0, between), (140.0, 280.0));
        assert_eq!(ends(200.0, Some(Boundary::Above(900.0))), (100.0, 240.0));
        assert_eq!(ends(200.0, Some(Boundary::Below(2.0))), (2.0, 240.0));
        assert_eq!(ends(200.0, None), (100.0, 240.0));
        assert_eq!(ends(900.0, None), (450.0, 472.0));
    }

    #[test]
    fn a_column_is_the_median_of_its_seeds() {
        let column = |seeds: &[Option<Boundary>]| ColumnOutage::of(seeds.to_vec(), DEFAULT_OUTAGES);
        let at = |value: f64| Some(Boundary::Between(value, value));
        let (above, below) = (Some(Boundary::Above(30.0)), Some(Boundary::Below(0.02)));
        assert_eq!(column(&[at(3.0), at(1.0), at(2.0)]), ColumnOutage::Found { low: 1.0, value: 2.0, high: 3.0 });
        assert_eq!(column(&[above, at(1.0), at(2.0)]), ColumnOutage::Found { low: 1.0, value: 2.0, high: 30.0 });
        assert_eq!(column(&[below, at(1.0), None]), ColumnOutage::Always);
        assert_eq!(column(&[below, at(1.0), at(2.0)]), ColumnOutage::Found { low: 0.02, value: 1.0, high: 2.0 });
        assert_eq!(column(&[above, above, at(2.0)]), ColumnOutage::Never);
        assert_eq!(column(&[None, None, at(2.0)]), ColumnOutage::Overloaded);
    }
}
