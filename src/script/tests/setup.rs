use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use super::*;

/// A thread without a state, which records what the main state does.
#[derive(Clone)]
pub struct MockThread(Rc<MockState>);

struct MockState {
    globals: RefCell<BTreeMap<String, PlainValue>>,
    address: Cell<SocketAddr>,
    stopped: Cell<bool>,
}

impl Default for MockThread {
    fn default() -> MockThread {
        let address = Cell::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        MockThread(Rc::new(MockState { globals: RefCell::default(), address, stopped: Cell::default() }))
    }
}

impl ThreadHandle for MockThread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        Ok(self.0.globals.borrow().get(name).cloned().unwrap_or(PlainValue::Nil))
    }
    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.0.globals.borrow_mut().insert(name.to_owned(), value);
        Ok(())
    }
    fn address(&self) -> SocketAddr {
        self.0.address.get()
    }
    fn set_address(&self, address: SocketAddr) {
        self.0.address.set(address);
    }
    fn stop(&self) {
        self.0.stopped.set(true);
    }
}

/// Access to a thread's state in the same thread.
struct VmThread(Rc<RefCell<Vm>>);

impl ThreadHandle for VmThread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.0.borrow().get(name)
    }
    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.0.borrow().set(name, &value)
    }
    fn address(&self) -> SocketAddr {
        self.0.borrow().address()
    }
    fn set_address(&self, address: SocketAddr) {
        self.0.borrow().set_address(address);
    }
    fn stop(&self) {}
}

#[test]
fn setup_reaches_each_threads_globals_before_its_init_and_done_after_its_end() {
    let text = r#"
        local threads = {}
        function setup(thread)
            table.insert(threads, thread)
            thread:set("id", #threads)
            thread:set("tree", { leaf = { 10, 20, 30 }, [2.5] = true })
        end
        function init()
            assert(tree.leaf[3] == 30 and tree[2.5] == true)
            made = { id = id, count = 0 }
        end
        function request()
            made.count = made.count + id
            return wrk.request()
        end
        function done()
            local sum = 0
            for id, thread in ipairs(threads) do
                local made = thread:get("made")
                assert(made.id == id)
                sum = sum + made.count
            end
            assert(sum == 9, sum)
        end"#;
    let main = main(text).unwrap();
    for _ in 0..2 {
        let vm = Rc::new(RefCell::new(loaded(text, &[], &[]).unwrap()));
        main.setup(Box::new(VmThread(Rc::clone(&vm)))).unwrap();
        vm.borrow_mut().init().unwrap();
        for _ in 0..3 {
            request(&vm.borrow()).unwrap();
        }
    }
    main.done(&DoneSummary::default(), &crate::stats::latency_histogram(), &[]).unwrap();
}

#[test]
fn a_thread_connects_to_the_first_address_unless_setup_sets_another() {
    let peer = MockThread::default();
    let main = main(
        r#"
        local first
        function setup(thread)
            if first then thread.addr = "[::1]:" .. first:match("%d+$") end
            first = tostring(thread.addr)
        end"#,
    )
    .unwrap();
    main.setup(Box::new(peer.clone())).unwrap();
    assert_eq!(peer.address().to_string(), "127.0.0.1:1");
    main.setup(Box::new(peer.clone())).unwrap();
    assert_eq!(peer.address().to_string(), "[::1]:1");
}

#[test]
fn a_target_resolves_to_the_addresses_that_accept_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::parse(&format!("http://{address}/")).unwrap();
    let environment = Environment { target: &target, headers: &[], args: &[], method: None, body: None, seed: 0 };
    let main = MainState::load(&script("function setup(t) assert(t.addr == wrk.addrs[1]) t:stop() end"), &environment);
    let main = main.unwrap();
    assert_eq!(main.resolve().unwrap(), [address]);
    let peer = MockThread::default();
    main.setup(Box::new(peer.clone())).unwrap();
    assert_eq!((peer.address(), peer.0.stopped.get()), (address, true));

    drop(listener);
    assert_eq!(main.resolve().unwrap(), []);
}

#[test]
fn a_script_may_choose_the_addresses_itself() {
    let main = main("function wrk.resolve(host, service) wrk.addrs = { '127.0.0.9:' .. service } end").unwrap();
    assert_eq!(main.resolve().unwrap(), ["127.0.0.9:8080".parse().unwrap()]);
}

#[test]
fn a_thread_can_use_its_own_thread_object() {
    let mut vm = loaded(
        r#"
        function init() was = tostring(wrk.thread.addr); wrk.thread.addr = "127.0.0.3:3" end
        function request()
            wrk.thread:set("seen", wrk.thread:get("was"))
            wrk.thread:stop()
            return wrk.request()
        end"#,
        &[],
        &[],
    )
    .unwrap();
    vm.set_address("127.0.0.2:80".parse().unwrap());
    vm.init().unwrap();
    assert!(!vm.is_stopped());
    request(&vm).unwrap();
    assert!(vm.is_stopped());
    assert_eq!((text_of(&vm, "seen").as_str(), vm.address().to_string().as_str()), ("127.0.0.2:80", "127.0.0.3:3"));
}
