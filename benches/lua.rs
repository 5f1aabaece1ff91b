//! The cost of a request from a script: one that is constant, and one that compose-post builds.

use criterion::{Criterion, criterion_group, criterion_main};
use metawrk::script::{Environment, Script, Vm};
use metawrk::target::Target;

fn lua(c: &mut Criterion) {
    let target = Target::parse("http://127.0.0.1:8080/wrk2-api/post/compose").expect("a target");
    let environment = Environment { target: &target, headers: &[], args: &[], method: None, body: None, seed: 1 };
    let constant = Script {
        name: "constant.lua".into(),
        text: "local r = wrk.format('GET', '/')\nfunction request() return r end".into(),
    };
    for (name, script) in [("constant", Some(constant)), ("compose-post", Script::built_in("compose-post"))] {
        let mut vm = Vm::load(script.as_ref(), &environment).expect("the script loads");
        vm.init().expect("init succeeds");
        let (mut bytes, mut parts) = (Vec::new(), Vec::new());
        c.bench_function(&format!("lua/{name}"), |b| b.iter(|| vm.request(&mut bytes, &mut parts)));
    }
}

criterion_group!(benches, lua);
criterion_main!(benches);
