use super::*;

fn read(text: &str) -> Result<StressCpu, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn it_is_done_to_one_container_or_process() {
    let target = |text: &str| read(text).map(|spec| spec.target);
    assert_eq!(target("cpus = 1\ncontainer = 'db'"), Ok(StressTarget::Container("db".into())));
    assert_eq!(target("cpus = 1\npid = 7"), Ok(StressTarget::Process(ProcessName::Pid(7))));
    assert!(target("cpus = 1").unwrap_err().contains("needs one of the keys"));
    assert!(target("cpus = 1\ncontainer = 'db'\npid = 7").unwrap_err().contains("excludes"));
    assert!(target("pid = 7").unwrap_err().contains("missing field `cpus`"));
}

#[test]
fn a_number_of_processes_that_cannot_be_is_refused() {
    let context =
        CheckContext { lasts: crate::units::Time::from_secs(1), rate: 1.0, has_testbed: false, has_engine: false };
    let check = |cpus: u32| read(&format!("cpus = {cpus}\npid = 1")).unwrap().check(&context);
    assert_eq!((check(1), check(1024)), (Ok(()), Ok(())));
    assert_eq!(check(0).unwrap_err().to_string(), "cpus: must be between 1 and 1024");
    assert!(check(1025).is_err());
}

#[tokio::test]
async fn nothing_runs_with_a_token_that_no_fault_has() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let spec = read(&format!("cpus = 1\npid = {}", child.id())).unwrap();
    let machine = Machine::default();
    let found = spec.find(&machine, None).await.unwrap();
    let snapshot = spec.snapshot(&found, None).await.unwrap();
    let again = spec.snapshot(&found, Some(&snapshot)).await.unwrap();
    assert_eq!(again, snapshot, "the token stays");
    let mut fault = snapshot.fault(&machine).unwrap();
    fault.remove().await.unwrap();
    fault.verify_removed().await.unwrap();
    assert!(fault.verify_applied().await.unwrap_err().why.contains("only 0 of 1 busy processes run"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fault.verify_removed().await.unwrap_err().why, "it has ended");
}
