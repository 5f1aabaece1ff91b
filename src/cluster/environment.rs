//! Which part of a load this process is, from the environment variables of the launcher that started it.

use crate::arrivals::GeneratorPart;

/// The variables of one launcher: the number of the part, from 0, and the number of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    index: &'static str,
    of: &'static str,
}

const OWN: Pair = Pair { index: "METAWRK_PART", of: "METAWRK_PARTS" };

/// In this order. Ours win. `mpirun` in a job of Slurm starts its own helpers with Slurm, and the parts inherit the numbers
/// of these helpers from Slurm. So the variables of MPI come before Slurm's. An indexed job of Kubernetes has only the
/// number of the part.
const LAUNCHERS: [Pair; 5] = [
    OWN,
    Pair { index: "OMPI_COMM_WORLD_RANK", of: "OMPI_COMM_WORLD_SIZE" },
    Pair { index: "PMI_RANK", of: "PMI_SIZE" },
    Pair { index: "SLURM_PROCID", of: "SLURM_NTASKS" },
    Pair { index: "JOB_COMPLETION_INDEX", of: OWN.of },
];

/// Why the environment does not say which part this process is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("the environment variable {name} is `{value}`. Set it to a whole number from {least} to 65535")]
    Number { name: &'static str, value: String, least: u16 },
    #[error(
        "the environment variable {name} is {index}, but {of_name} is {of}, and parts are numbered from 0. Set {name} to a number below {of}"
    )]
    Range { name: &'static str, index: u16, of_name: &'static str, of: u16 },
    #[error("the environment variable {set} is `{value}`, but {missing} is not set. Set both, or neither")]
    Half { set: &'static str, value: String, missing: &'static str },
}

/// The part that this process is: from our own variables, or else from those of Open MPI, of another MPI (PMI), of Slurm,
/// or of an indexed job of Kubernetes together with our `METAWRK_PARTS`. `None` if none of them is set. `lookup` returns the
/// value of a variable.
///
/// # Errors
/// [`EnvironmentError`] if a variable has no possible value, or the other variable of its pair is missing.
pub fn part_of_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<GeneratorPart>, EnvironmentError> {
    for pair in LAUNCHERS {
        match (lookup(pair.index), lookup(pair.of)) {
            (Some(index), Some(of)) => return pair.parse(index, of).map(Some),
            (Some(value), None) => return Err(pair.half(pair.index, value, pair.of)),
            // A shell of Slurm's `salloc` has only the number of parts, and is none of them.
            (None, _) => {}
        }
    }
    match lookup(OWN.of) {
        Some(value) => Err(OWN.half(OWN.of, value, OWN.index)),
        None => Ok(None),
    }
}

impl Pair {
    fn parse(&self, index: String, of: String) -> Result<GeneratorPart, EnvironmentError> {
        let index = parse_number(self.index, index, 0)?;
        let of = parse_number(self.of, of, 1)?;
        match index < of {
            true => Ok(GeneratorPart { index, of }),
            false => Err(EnvironmentError::Range { name: self.index, index, of_name: self.of, of }),
        }
    }

    fn half(&self, set: &'static str, value: String, missing: &'static str) -> EnvironmentError {
        EnvironmentError::Half { set, value, missing }
    }
}

fn parse_number(name: &'static str, value: String, least: u16) -> Result<u16, EnvironmentError> {
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or(EnvironmentError::Number { name, value, least })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part_of(variables: &[(&str, &str)]) -> Result<Option<GeneratorPart>, EnvironmentError> {
        part_of_environment(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn why(variables: &[(&str, &str)]) -> String {
        part_of(variables).unwrap_err().to_string()
    }

    #[test]
    fn every_launcher_is_recognized() {
        for pair in LAUNCHERS {
            let part = part_of(&[(pair.index, "2"), (pair.of, "8")]);
            assert_eq!(part, Ok(Some(GeneratorPart { index: 2, of: 8 })), "{pair:?}");
        }
        assert_eq!(part_of(&[("HOME", "/root")]), Ok(None));
    }

    #[test]
    fn own_variables_win_and_mpi_in_a_job_of_slurm_wins_over_slurm() {
        let slurm = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "2")];
        let mpi = [("OMPI_COMM_WORLD_RANK", "5"), ("OMPI_COMM_WORLD_SIZE", "6")];
        let own = [("METAWRK_PART", "1"), ("METAWRK_PARTS", "4")];
        let both = [slurm, mpi].concat();
        assert_eq!(part_of(&both), Ok(Some(GeneratorPart { index: 5, of: 6 })));
        let all = [slurm, mpi, own].concat();
        assert_eq!(part_of(&all), Ok(Some(GeneratorPart { index: 1, of: 4 })));
    }

    #[test]
    fn a_shell_of_an_allocation_is_no_part() {
        assert_eq!(part_of(&[("SLURM_NTASKS", "8")]), Ok(None));
    }

    #[test]
    fn errors_name_the_variable_and_its_value() {
        insta::assert_snapshot!(why(&[("METAWRK_PART", "x"), ("METAWRK_PARTS", "4")]), @"the environment variable METAWRK_PART is `x`. Set it to a whole number from 0 to 65535");
        insta::assert_snapshot!(why(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "0")]), @"the environment variable SLURM_NTASKS is `0`. Set it to a whole number from 1 to 65535");
        insta::assert_snapshot!(why(&[("PMI_RANK", "4"), ("PMI_SIZE", "4")]), @"the environment variable PMI_RANK is 4, but PMI_SIZE is 4, and parts are numbered from 0. Set PMI_RANK to a number below 4");
        insta::assert_snapshot!(why(&[("METAWRK_PART", "1")]), @"the environment variable METAWRK_PART is `1`, but METAWRK_PARTS is not set. Set both, or neither");
        insta::assert_snapshot!(why(&[("METAWRK_PARTS", "4")]), @"the environment variable METAWRK_PARTS is `4`, but METAWRK_PART is not set. Set both, or neither");
        insta::assert_snapshot!(why(&[("JOB_COMPLETION_INDEX", "3")]), @"the environment variable JOB_COMPLETION_INDEX is `3`, but METAWRK_PARTS is not set. Set both, or neither");
        for (index, of) in [("-1", "4"), ("", "4"), ("65536", "4"), ("1", "70000"), ("1.5", "4")] {
            assert!(part_of(&[("PMI_RANK", index), ("PMI_SIZE", of)]).is_err(), "{index} {of}");
        }
    }
}
