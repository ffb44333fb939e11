//! Changes of files while they are followed. Every test waits for the fact, with a deadline that only a failure meets.

use std::os::unix::fs::symlink;
use std::sync::Mutex;

use super::*;
use crate::startup::{Startup, load};

const DEADLINE: Duration = Duration::from_secs(20);

/// A configuration in a folder of its own, served and followed.
struct Served {
    folder: tempfile::TempDir,
    snapshot: Arc<ArcSwap<Snapshot>>,
    certificates: Vec<Option<Arc<Certificates>>>,
    heard: Arc<Heard>,
    handle: ReloadHandle,
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl ReloadObserver for Heard {
    fn accepted(&self, generation: u64) {
        self.0.lock().unwrap().push(format!("accepted {generation}"));
    }

    fn unchanged(&self) {}

    fn rejected(&self, problems: &Problems) {
        self.0.lock().unwrap().push(format!("rejected {problems}"));
    }
}

fn config(model: &str) -> String {
    format!(
        "providers: {{p: {{base_url: \"http://127.0.0.1:1/v1\", auth: none}}}}\nplugin_cache: none\n\
         models: [{{name: {model}, targets: [{{provider: p}}]}}]\nkeys: [{{name: k, key: \"env:KEY\", models: [\"*\"]}}]\n"
    )
}

fn loaded(folder: &tempfile::TempDir) -> Startup {
    let source = ConfigSource::File(folder.path().join("penstock.yaml"));
    load(source, None, Environment::of([("KEY", "sk-canary")])).unwrap()
}

fn serve(folder: tempfile::TempDir) -> Served {
    let Startup {
        snapshot,
        certificates,
        reload,
        ..
    } = loaded(&folder);
    let heard = Arc::new(Heard::default());
    let handle = reload.start(heard.clone()).unwrap();
    Served {
        folder,
        snapshot,
        certificates,
        heard,
        handle,
    }
}

fn served(text: &str) -> Served {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("penstock.yaml"), text).unwrap();
    serve(folder)
}

impl Served {
    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn offers(&self, model: &str) -> bool {
        self.snapshot.load().models.find(model).is_some()
    }

    fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own thread, between two looks at a fact"
)]
fn wait_until(what: &str, fact: impl Fn() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn pain_o01_a_changed_file_is_served_without_a_restart() {
    let served = served(&config("one"));
    served.write("penstock.yaml", &config("two"));
    wait_until("model two is offered", || served.offers("two"));
    assert_eq!(served.snapshot.load().generation, 2);
    wait_until("the observer hears of it", || served.heard() == ["accepted 2"]);
}

#[test]
fn pain_o01_a_wrong_file_changes_nothing_and_says_where_it_is_wrong() {
    let served = served(&config("one"));
    served.write("penstock.yaml", &config("two").replace("keys:", "kyes:"));
    wait_until("the change is refused", || !served.heard().is_empty());
    assert!(served.offers("one") && served.snapshot.load().generation == 1);
    let path = served.folder.path().join("penstock.yaml");
    let expected = format!(
        "{}:4:1: unknown key `kyes` (did you mean `keys`?)",
        path.display()
    );
    assert!(served.heard()[0].contains(&expected), "{:?}", served.heard());
    served.write("penstock.yaml", &config("two"));
    wait_until("model two is offered", || served.offers("two"));
    assert_eq!(served.snapshot.load().generation, 2);
}

#[test]
fn a_file_that_is_written_again_as_it_was_makes_no_generation() {
    let served = served(&config("one"));
    served.write("penstock.yaml", &config("one"));
    assert_eq!(served.handle.reload_now().unwrap(), 1);
    served.write("penstock.yaml", &config("two"));
    assert_eq!(served.handle.reload_now().unwrap(), 2);
    served.write("penstock.yaml", "keys: [");
    assert!(served.handle.reload_now().is_err());
    served.write("penstock.yaml", &config("two"));
    assert_eq!(served.handle.reload_now().unwrap(), 2);
}

#[test]
fn a_config_map_is_swapped_by_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let volume = |name: &str, model: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("penstock.yaml"), config(model)).unwrap();
    };
    volume("..2027_01", "one");
    symlink("..2027_01", folder.path().join("..data")).unwrap();
    symlink("..data/penstock.yaml", folder.path().join("penstock.yaml")).unwrap();
    let root = folder.path().to_owned();
    volume("..2027_02", "two");
    volume("..2027_03", "three");
    let served = serve(folder);
    for (volume, before, model) in [
        ("..2027_02", "..2027_01", "two"),
        ("..2027_03", "..2027_02", "three"),
    ] {
        symlink(volume, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        std::fs::remove_dir_all(root.join(before)).unwrap();
        wait_until("the new volume is served", || served.offers(model));
    }
    assert_eq!(served.snapshot.load().generation, 3);
}

#[test]
fn without_reports_of_the_kernel_a_change_is_found_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.yaml");
    std::fs::write(&path, config("one")).unwrap();
    let Startup { snapshot, reload, .. } = loaded(&folder);
    let (orders, waiting) = sync_channel(1);
    let observer = Arc::new(Heard::default());
    let follower = Follower {
        reloader: reload,
        observer,
        folders: Folders { watcher: None },
        orders: waiting,
    };
    let thread = std::thread::spawn(|| follower.run());
    std::fs::write(&path, config("two")).unwrap();
    wait_until("model two is offered", || {
        snapshot.load().models.find("two").is_some()
    });
    orders.send(Order::Stop).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_new_key_in_a_key_file_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("team-a"), "sk-old\n").unwrap();
    std::fs::write(
        folder.path().join("penstock.yaml"),
        config("one").replace("env:KEY", "file:team-a"),
    )
    .unwrap();
    let served = serve(folder);
    let may = |key: &str| served.snapshot.load().callers.find(key).is_some();
    assert!(may("sk-old"));
    served.write("team-a", "sk-new\n");
    wait_until("the new key is known", || may("sk-new"));
    assert!(!may("sk-old"));
}

#[test]
fn a_new_certificate_is_shown_from_the_next_handshake_on() {
    let folder = tempfile::tempdir().unwrap();
    let make = || rcgen::generate_simple_self_signed(vec!["a.org".to_owned()]).unwrap();
    let (one, two) = (make(), make());
    let put = |made: &rcgen::CertifiedKey<rcgen::KeyPair>, root: &Path| {
        std::fs::write(root.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(root.join("chain.pem"), made.cert.pem()).unwrap();
    };
    put(&one, folder.path());
    let tls = "listeners: [{address: \"127.0.0.1:0\", tls: {certificate: chain.pem, key: key.pem}}]\n";
    std::fs::write(
        folder.path().join("penstock.yaml"),
        format!("{}{tls}", config("one")),
    )
    .unwrap();
    let served = serve(folder);
    let shown = || {
        served.certificates[0]
            .as_ref()
            .unwrap()
            .certificate_for(None)
            .cert[0]
            .clone()
    };
    assert_eq!(shown(), *one.cert.der());
    put(&two, served.folder.path());
    wait_until("the new certificate is shown", || shown() == *two.cert.der());
}

#[test]
fn what_needs_a_restart_does_not_hold_up_the_rest() {
    let served = served(&config("one"));
    served.write("penstock.yaml", &format!("threads: 7\n{}", config("two")));
    wait_until("model two is offered", || served.offers("two"));
}

#[test]
fn a_generation_that_nobody_uses_is_gone() {
    let served = served(&config("one"));
    let first = Arc::downgrade(&served.snapshot.load_full());
    served.write("penstock.yaml", &config("two"));
    assert_eq!(served.handle.reload_now().unwrap(), 2);
    wait_until("the first generation is freed", || first.upgrade().is_none());
}

#[test]
fn nothing_is_followed_once_the_owner_is_gone() {
    let served = served(&config("one"));
    let Served {
        folder,
        snapshot,
        heard,
        handle,
        ..
    } = served;
    drop(handle);
    std::fs::write(folder.path().join("penstock.yaml"), config("two")).unwrap();
    assert_eq!(Arc::strong_count(&heard), 1, "the thread still has the observer");
    assert_eq!(
        Arc::strong_count(&snapshot),
        1,
        "the thread still has the snapshot"
    );
}

/// A chain of two, whose components are copies in the folder.
fn chain_of_two(folder: &tempfile::TempDir, replacement: &str) -> String {
    for plugin in ["guard-secrets", "route-balance"] {
        let component = penstock_plugin_kit::built(plugin).unwrap();
        std::fs::write(folder.path().join(format!("{plugin}.wasm")), component).unwrap();
    }
    format!(
        "{}plugin_dir: .\nplugins:\n  - component: guard-secrets\n    settings: {{replacement: \"{replacement}\"}}\n  \
         - component: route-balance\n",
        config("one")
    )
}

#[test]
fn a_plugin_that_did_not_change_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("penstock.yaml"),
        chain_of_two(&folder, "[one]"),
    )
    .unwrap();
    let served = serve(folder);
    let before = served.snapshot.load_full();
    served.write("penstock.yaml", &chain_of_two(&served.folder, "[two]"));
    wait_until("the second generation serves", || {
        served.snapshot.load().generation == 2
    });
    let after = served.snapshot.load_full();
    assert!(
        !Arc::ptr_eq(&before.chain[0], &after.chain[0]),
        "other settings make another plugin"
    );
    assert!(
        Arc::ptr_eq(&before.chain[1], &after.chain[1]),
        "the same file and settings are the same plugin"
    );
}

#[test]
fn pain_a07_a_corrupt_component_is_refused_by_name_and_the_old_one_keeps_serving() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("penstock.yaml"),
        chain_of_two(&folder, "[one]"),
    )
    .unwrap();
    let served = serve(folder);
    let path = served.folder.path().join("guard-secrets.wasm");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let refused = served.handle.reload_now().unwrap_err().to_string();
    assert!(
        refused.contains("penstock.yaml:7:16: plugin guard-secrets: "),
        "{refused}"
    );
    assert_eq!(
        (
            served.snapshot.load().generation,
            served.snapshot.load().chain.len()
        ),
        (1, 2)
    );
    let wrong = chain_of_two(&served.folder, "[one]").replace("replacement", "replacment");
    served.write("penstock.yaml", &wrong);
    let refused = served.handle.reload_now().unwrap_err().to_string();
    assert!(
        refused.contains("penstock.yaml:8:15: plugin guard-secrets: refused its settings"),
        "{refused}"
    );
    assert_eq!(served.snapshot.load().generation, 1);
}
