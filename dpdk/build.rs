//! Finds DPDK, compiles the shim against it, and generates Rust from the shim's header.

use std::env;
use std::path::PathBuf;
use std::process::{Command, exit};

const INSTALL: &str = "on Debian or Ubuntu: apt-get install -y --no-install-recommends \
                       libdpdk-dev pkg-config libclang-dev";
const WITHOUT: &str =
    "to build without DPDK, on kernel sockets only, pass --no-default-features to cargo";

fn main() {
    for input in ["build.rs", "src/shim.c", "src/shim.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");

    // Not the pkg-config crate: it drops `-march` and `-include`, and DPDK's headers need both.
    let cflags = pkg_config(&["--cflags"]);
    let libs = pkg_config(&["--libs"]);

    let mut shim = cc::Build::new();
    shim.file("src/shim.c").opt_level(2).warnings(true);
    for flag in cflags.split_whitespace() {
        // As system headers: their warnings are not ours.
        match flag.strip_prefix("-I") {
            Some(directory) => shim.flag("-isystem").flag(directory),
            None => shim.flag(flag),
        };
    }
    shim.compile("rialto_dpdk_shim");

    for flag in libs.split_whitespace() {
        if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo::rustc-link-lib={}", library.trim_start_matches(':'));
        } else if let Some(directory) = flag.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={directory}");
        }
    }
    println!("cargo::metadata=version={}", pkg_config(&["--modversion"]));

    bindings();
}

/// Asks pkg-config about libdpdk; ends the build with what to do if it does not know.
fn pkg_config(arguments: &[&str]) -> String {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    match Command::new(&program).args(arguments).arg("libdpdk").output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(_) => fail("the package libdpdk-dev (DPDK's headers and libraries) is missing"),
        Err(error) => fail(&format!("cannot run {program} ({error}), which finds libdpdk-dev")),
    }
}

fn bindings() {
    let generated = std::panic::catch_unwind(|| {
        bindgen::Builder::default()
            .header("src/shim.h")
            .allowlist_function("rialto_.*")
            .allowlist_type("rialto_.*")
            .allowlist_var("RIALTO_.*")
            .prepend_enum_name(false)
            .layout_tests(false)
            .rust_edition(bindgen::RustEdition::Edition2024)
            .generate()
    });
    let bindings = match generated {
        Ok(Ok(bindings)) => bindings,
        Ok(Err(error)) => fail(&format!("bindgen: {error}")),
        Err(_) => fail("libclang, which bindgen loads, is missing (package libclang-dev)"),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("shim.rs");
    if let Err(error) = bindings.write_to_file(&out) {
        fail(&format!("cannot write {}: {error}", out.display()));
    }
}

fn fail(what: &str) -> ! {
    println!("cargo::error={what}; {INSTALL}; {WITHOUT}");
    exit(1)
}
