//! The dependencies of the whole workspace keep to `deny.toml`.
//!
//! It honours the part of `deny.toml` that the file uses, so that the rules hold wherever cargo
//! is, and it fails on a key that it does not know rather than skip a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

#[test]
fn dependencies_run_one_way() -> Result<()> {
    let tree = Tree::read()?;
    let mut broken = BTreeSet::new();
    for ban in Rules::read()?.bans.deny.iter().filter(|ban| !ban.wrappers.is_empty()) {
        for Edge { parent, child, .. } in &tree.edges {
            if ban.matches(child)? && !ban.wrappers.contains(&parent.name) {
                broken.insert(format!("{} must not depend on {}", parent.name, child.name));
            }
        }
    }
    none(&broken)
}

#[test]
fn no_service_is_built_with_the_postgresql_that_its_tests_start() -> Result<()> {
    let tree = Tree::read()?;
    let allowed = ["souk", "souk-postgres", "souk-testing", "souk-benches"];
    let mut found = BTreeSet::new();
    for package in tree.packages.iter().filter(|p| p.is_ours() && !allowed.contains(&&*p.name)) {
        let built = tree.built_into(&package.name);
        for stranger in ["souk-postgres", "ureq", "tar", "indicatif"] {
            if built.contains(stranger) {
                found.insert(format!("{} is built with {stranger}", package.name));
            }
        }
    }
    none(&found)
}

#[test]
fn what_tests_share_is_built_into_nothing_else() -> Result<()> {
    let tree = Tree::read()?;
    let built = (tree.edges.iter())
        .filter(|edge| edge.child.name == "souk-testing" && !edge.only_tests)
        .map(|edge| format!("{} is built with souk-testing", edge.parent.name));
    none(&built.collect())
}

#[test]
fn every_crate_of_ours_says_who_may_depend_on_it() -> Result<()> {
    let tree = Tree::read()?;
    let rules = Rules::read()?;
    let silent = (tree.edges.iter().map(|edge| &edge.child))
        .filter(|child| child.is_ours())
        .filter(|child| !rules.bans.deny.iter().any(|ban| ban.package == child.name))
        .map(|child| format!("deny.toml does not say who may depend on {}", child.name));
    none(&silent.collect())
}

#[test]
fn denied_crates_and_versions_stay_out() -> Result<()> {
    let tree = Tree::read()?;
    let mut found = BTreeSet::new();
    for ban in Rules::read()?.bans.deny.iter().filter(|ban| ban.wrappers.is_empty()) {
        for package in &tree.packages {
            if ban.matches(package)? {
                found.insert(format!("{} {}: {}", package.name, package.version, ban.reason));
            }
        }
    }
    none(&found)
}

#[test]
fn every_licence_is_one_that_we_accept() -> Result<()> {
    let licenses = Rules::read()?.licenses;
    let mut refused = BTreeSet::new();
    for package in &Tree::read()?.packages {
        let exceptions = licenses.exceptions.iter().filter(|e| e.package == package.name);
        let allowed: BTreeSet<&str> = (exceptions.flat_map(|exception| &exception.allow))
            .chain(&licenses.allow)
            .map(String::as_str)
            .collect();
        let license = package.license.as_deref().unwrap_or("no licence");
        if !license_is_met(license, &allowed)? {
            refused.insert(format!("{} {}: {license}", package.name, package.version));
        }
    }
    none(&refused)
}

#[test]
fn every_crate_is_ours_or_from_a_registry() -> Result<()> {
    let packages = Tree::read()?.packages;
    let strangers = (packages.iter().filter(|package| !package.is_ours()))
        .filter(|p| p.source.as_deref().is_none_or(|source| !source.starts_with("registry+")))
        .map(|package| format!("{} is from {:?}", package.name, package.source));
    none(&strangers.collect())
}

#[test]
fn a_licence_is_met_as_spdx_means_it() -> Result<()> {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Unicode-3.0"]);
    for (license, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("MIT OR Apache-2.0 AND GPL-3.0", true),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
    ] {
        ensure!(license_is_met(license, &allowed)? == met, "{license}");
    }
    ensure!(license_is_met("MIT Apache-2.0", &allowed).is_err());
    ensure!(license_is_met("(MIT", &allowed).is_err());
    Ok(())
}

#[test]
fn a_version_is_older_by_number_not_by_text() -> Result<()> {
    let ban = Ban { package: "h2:<0.4.18".into(), wrappers: vec![], reason: String::new() };
    for (version, denied) in
        [("0.4.9", true), ("0.4.17", true), ("0.4.18", false), ("0.10.0", false)]
    {
        ensure!(ban.matches(&package("h2", version))? == denied, "{version}");
    }
    ensure!(!ban.matches(&package("h3", "0.0.1"))?);
    Ok(())
}

fn package(name: &str, version: &str) -> Package {
    Package { name: name.into(), version: version.into(), license: None, source: None }
}

fn none(offences: &BTreeSet<String>) -> Result<()> {
    ensure!(offences.is_empty(), "{}", Vec::from_iter(offences.iter().cloned()).join("\n"));
    Ok(())
}

/// The part of `deny.toml` that is checked here.
#[derive(Deserialize)]
struct Rules {
    bans: Bans,
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    /// `name`, or `name:<1.2.3` for the versions before one.
    #[serde(rename = "crate")]
    package: String,
    /// Who may depend on it all the same.
    #[serde(default)]
    wrappers: Vec<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

impl Rules {
    fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deny.toml");
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }
}

impl Ban {
    fn matches(&self, package: &Package) -> Result<bool> {
        let Some((name, requirement)) = self.package.split_once(':') else {
            return Ok(self.package == package.name);
        };
        let bound = requirement.strip_prefix('<').context("only `<` is understood here")?;
        Ok(name == package.name && number(&package.version)? < number(bound)?)
    }
}

fn number(version: &str) -> Result<Vec<u64>> {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    release.split('.').map(|part| Ok(part.parse()?)).collect()
}

/// The resolved dependencies of the workspace, on all platforms, for building and testing too.
struct Tree {
    packages: Vec<Package>,
    edges: Vec<Edge>,
}

struct Edge {
    parent: Package,
    child: Package,
    /// Whether only tests, benches and examples need it.
    only_tests: bool,
}

#[derive(Clone, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

impl Package {
    fn is_ours(&self) -> bool {
        self.source.is_none()
    }
}

impl Tree {
    fn read() -> Result<Self> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
        let packages: BTreeMap<String, Package> =
            metadata.packages.into_iter().map(|listed| (listed.id, listed.package)).collect();
        let find = |id| packages.get(id).cloned().context("cargo metadata lists each package");
        let mut edges = Vec::new();
        for node in &metadata.resolve.nodes {
            for dependency in &node.deps {
                let only_tests = dependency.dep_kinds.iter().all(|of| of.is_for_tests());
                let (parent, child) = (find(&node.id)?, find(&dependency.pkg)?);
                edges.push(Edge { parent, child, only_tests });
            }
        }
        Ok(Tree { packages: packages.into_values().collect(), edges })
    }

    /// The names of all that is compiled where a package is, without its tests.
    fn built_into<'a>(&'a self, package: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::from([package]);
        let mut next = vec![package];
        while let Some(parent) = next.pop() {
            for edge in self.edges.iter().filter(|e| e.parent.name == parent && !e.only_tests) {
                if found.insert(&edge.child.name) {
                    next.push(&edge.child.name);
                }
            }
        }
        found
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Listed>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(flatten)]
    package: Package,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl DependencyKind {
    fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Whether the allowed licences fulfil an SPDX expression. `/` is the old way to write `OR`.
fn license_is_met(expression: &str, allowed: &BTreeSet<&str>) -> Result<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let met = either(&mut words, allowed)?;
    ensure!(words.is_empty(), "cannot read the licence {expression:?}");
    Ok(met)
}

/// `a OR b`; the words are read from the end of the vector.
fn either(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let mut met = both(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= both(words, allowed)?;
    }
    Ok(met)
}

/// `a AND b`, which binds tighter.
fn both(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let mut met = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= one(words, allowed)?;
    }
    Ok(met)
}

/// A licence, a licence with an exception, or an expression in parentheses.
fn one(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let word = words.pop().context("a licence ends too early")?;
    if word == "(" {
        let met = either(words, allowed)?;
        ensure!(words.pop() == Some(")"), "a licence lacks a `)`");
        return Ok(met);
    }
    if words.pop_if(|word| *word == "WITH").is_some() {
        let exception = words.pop().context("a licence ends too early")?;
        return Ok(allowed.contains(format!("{word} WITH {exception}").as_str()));
    }
    Ok(allowed.contains(word))
}
