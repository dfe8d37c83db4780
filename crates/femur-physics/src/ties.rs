//! `[[periodic]]` and `[[equation]]`: unknowns that follow others.

use crate::PhysicsError;
use crate::linear::{Channel, sampled};
use crate::material::known_tag;
use femur_fem::Constraints;
use femur_mesh::Mesh;
use femur_mesh::periodic::translated_nodes;
use femur_sim::case::{Case, Table};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A jump of a `[[periodic]]` or the right-hand side of an `[[equation]]`: `value * factor` is added at each tied unknown.
#[derive(Debug, Clone)]
struct Jump {
    name: String,
    path: String,
    value: f64,
    factors: BTreeMap<usize, f64>,
}

/// Ties of a case, as [`Constraints::ties`], and what is added to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ties {
    ties: BTreeMap<usize, Vec<(usize, f64)>>,
    jumps: Vec<Jump>,
}

/// The pairs of a `[[periodic]]`, and its table.
fn pairs(mesh: &Mesh, table: &Table) -> Result<Vec<[u32; 2]>, PhysicsError> {
    let (from, to) = (table.string("from")?, table.string("to")?);
    known_tag(mesh, table, "from", &from)?;
    known_tag(mesh, table, "to", &to)?;
    let hint = "a translation must bring the nodes of one boundary onto those of the other: mesh both alike";
    translated_nodes(mesh, &from, &to).map_err(|e| table.error("to", e.to_string(), hint).into())
}

/// For each node the one whose unknowns it shares, by every `[[periodic]]` (without a jump).
pub(crate) fn identified(case: &Case, mesh: &Mesh) -> Result<Vec<u32>, PhysicsError> {
    let mut same: Vec<u32> = (0..mesh.num_nodes() as u32).collect();
    for table in case.tables("periodic") {
        for [a, b] in pairs(mesh, &table)? {
            let (a, b) = (root(&same, a), root(&same, b));
            same[a.max(b) as usize] = a.min(b);
        }
        table.finish()?;
    }
    Ok((0..same.len() as u32).map(|n| root(&same, n)).collect())
}

fn root(same: &[u32], mut n: u32) -> u32 {
    while same[n as usize] != n {
        n = same[n as usize];
    }
    n
}

/// What is held at one node of those that `same` identifies is held at all: first at the one whose unknowns they share, then from there.
pub(crate) fn share<K: Ord, V: Clone>(same: &[u32], held: &mut BTreeMap<K, V>, key: impl Fn(usize) -> K) {
    let mut copy = |from: usize, to: usize| {
        if let Some(value) = held.get(&key(from)).cloned() {
            held.entry(key(to)).or_insert(value);
        }
    };
    same.iter().enumerate().for_each(|(n, &root)| copy(n, root as usize));
    same.iter().enumerate().for_each(|(n, &root)| copy(root as usize, n));
}

/// What is read of the ties, in the order of the file.
struct Reader<'a> {
    mesh: &'a Mesh,
    components: usize,
    constraints: &'a Constraints,
    out: Ties,
    /// Unknowns that a further pair of boundaries ties once more, and to what.
    twice: Vec<(usize, usize)>,
}

impl Reader<'_> {
    /// Whether an unknown is given by something else already.
    fn given(&self, unknown: usize) -> bool {
        self.constraints.fixed.contains_key(&unknown) || self.out.ties.contains_key(&unknown)
    }

    /// A frame turns the unknowns of its node, which a tie cannot see.
    fn refuse_frame(&self, table: &Table, node: usize) -> Result<(), PhysicsError> {
        if self.constraints.frames.contains_key(&node) {
            let what = format!("ties the node at {:?}, which lies on an inclined roller", self.mesh.point(node));
            return Err(table.error("", what, "turn the body so that the roller lies along an axis").into());
        }
        Ok(())
    }

    fn periodic(&mut self, table: &Table) -> Result<(), PhysicsError> {
        let to = table.string("to")?;
        let jump = if table.has("jump") { table.numbers("jump")? } else { vec![0.0; self.components] };
        if jump.len() != self.components {
            let what = format!("has {} components, the unknown has {}", jump.len(), self.components);
            return Err(table.error("jump", what, "by how much the value on `to` exceeds that on `from`").into());
        }
        let axes = if self.components == 1 { &[""][..] } else { &[".x", ".y", ".z"] };
        let first = self.out.jumps.len();
        for (d, &value) in jump.iter().enumerate() {
            let path = format!("{}.jump.{d}", table.path());
            self.out.jumps.push(Jump { name: format!("{to}.jump{}", axes[d]), path, value, factors: BTreeMap::new() });
        }
        for [slave, master] in pairs(self.mesh, table)? {
            self.refuse_frame(table, slave as usize)?;
            self.refuse_frame(table, master as usize)?;
            for d in 0..self.components {
                let [s, m] = [slave, master].map(|n| n as usize * self.components + d);
                let held = |u: usize| self.constraints.fixed.contains_key(&u);
                if held(s) && !held(m) {
                    let what = format!("the value at {:?} is prescribed and should follow another", self.mesh.point(slave as usize));
                    return Err(table.error("to", what, "prescribe its partner on `from` (of a corner, that on both), or both").into());
                }
                // Where both are prescribed their values hold; what has a tie already must say the same by it.
                match self.out.ties.entry(s) {
                    _ if held(s) => {}
                    Entry::Occupied(_) => self.twice.push((s, m)),
                    Entry::Vacant(free) => {
                        free.insert(vec![(m, 1.0)]);
                        self.out.jumps[first + d].factors.insert(s, 1.0);
                    }
                }
            }
        }
        table.finish()?;
        Ok(())
    }

    /// `sum(factor * component at tag) = value`: the first term's unknown follows the others, at each node of its tag.
    fn equation(&mut self, table: &Table) -> Result<(), PhysicsError> {
        let hint = "terms = [{ tag = \"a\", component = \"x\", factor = 1 }, { tag = \"b\", component = \"x\", factor = -1 }]";
        let mut terms: Vec<(Vec<u32>, usize, f64)> = Vec::new();
        for term in table.tables("terms")? {
            let tag = term.string("tag")?;
            known_tag(self.mesh, &term, "tag", &tag)?;
            let component = term.choice_or("component", &["x", "y", "z"][..self.components.min(3)], 0)?;
            let factor = term.f64_or("factor", 1.0)?;
            let nodes = self.mesh.tag_nodes(&tag)?;
            if factor == 0.0 || (!terms.is_empty() && nodes.len() != 1) {
                let what = if factor == 0.0 { "is 0".into() } else { format!("`{tag}` has {} nodes", nodes.len()) };
                let key = if factor == 0.0 { "factor" } else { "tag" };
                return Err(term.error(key, what, "from the second term on a tag has one node, and no factor is 0").into());
            }
            term.finish()?;
            terms.push((nodes, component, factor));
        }
        let value = table.f64_or("value", 0.0)?;
        let Some(((nodes, component, factor), others)) = terms.split_first() else {
            return Err(table.error("terms", "are missing", hint).into());
        };
        let name = table.opt_string("name")?.unwrap_or_else(|| table.path().to_string());
        let mut jump = Jump { name, path: format!("{}.value", table.path()), value, factors: BTreeMap::new() };
        for &node in nodes {
            self.refuse_frame(table, node as usize)?;
            let slave = node as usize * self.components + component;
            let mut sum: BTreeMap<usize, f64> = BTreeMap::new();
            others.iter().for_each(|(n, d, f)| *sum.entry(n[0] as usize * self.components + d).or_insert(0.0) -= f / factor);
            let masters: Vec<(usize, f64)> = sum.into_iter().collect();
            // The node that the others follow is often in their tag.
            if masters == [(slave, 1.0)] && value == 0.0 {
                continue;
            }
            if self.given(slave) || masters.iter().any(|m| m.0 == slave) {
                let what = format!(
                    "asks for the {} component at {:?}, which is given already",
                    ["x", "y", "z"][*component],
                    self.mesh.point(node as usize)
                );
                return Err(table.error("terms", what, "put first an unknown that nothing else prescribes or ties").into());
            }
            masters.iter().try_for_each(|m| self.refuse_frame(table, m.0 / self.components))?;
            self.out.ties.insert(slave, masters);
            jump.factors.insert(slave, 1.0 / factor);
        }
        self.out.jumps.push(jump);
        table.finish()?;
        Ok(())
    }
}

impl Ties {
    /// Reads the ties of a case with `components` unknowns at each node, `constraints` having what is prescribed already.
    ///
    /// # Errors
    /// Boundaries that do not match, an unknown that is given twice, ties that go round in a circle.
    pub(crate) fn read(case: &Case, mesh: &Mesh, constraints: &Constraints) -> Result<Self, PhysicsError> {
        let components = constraints.components;
        let mut reader = Reader { mesh, components, constraints, out: Ties::default(), twice: Vec::new() };
        for table in case.tables("periodic") {
            reader.periodic(&table)?;
        }
        for table in case.tables("equation") {
            reader.equation(&table)?;
        }
        let (Ties { ties, mut jumps }, twice) = (reader.out, reader.twice);
        let mut chain = Constraints { ties, ..Constraints::new(components) };
        chain
            .resolve(|slave, through, factor| {
                for jump in &mut jumps {
                    if let Some(f) = jump.factors.get(&through).copied() {
                        *jump.factors.entry(slave).or_insert(0.0) += factor * f;
                    }
                }
            })
            .map_err(|unknown| {
                let what = format!("the node at {:?} follows itself", mesh.point(unknown / components));
                let key = if case.root().has("periodic") { "periodic" } else { "equation" };
                case.root().error(key, what, "let every boundary follow another one only once, all in one direction, and no unknown itself")
            })?;
        let of = |u: usize| chain.ties.get(&u).cloned().unwrap_or_else(|| vec![(u, 1.0)]);
        if let Some(&(s, _)) = twice.iter().find(|&&(s, m)| of(s) != of(m)) {
            let what = format!("the node at {:?} would follow two others", mesh.point(s / components));
            return Err(case.root().error("periodic", what, "tie those two first, or leave out one of the pairs").into());
        }
        Ok(Ties { ties: chain.ties, jumps })
    }

    /// Adds the ties to what is prescribed.
    pub(crate) fn constrain(&self, constraints: &mut Constraints) {
        constraints.fixed.extend(self.ties.keys().map(|&u| (u, 0.0)));
        constraints.ties.clone_from(&self.ties);
    }

    /// What is added at each tied unknown.
    pub(crate) fn jumps(&self) -> BTreeMap<usize, f64> {
        let mut sum = BTreeMap::new();
        for jump in &self.jumps {
            jump.factors.iter().for_each(|(&u, f)| *sum.entry(u).or_insert(0.0) += f * jump.value);
        }
        sum
    }

    /// The jumps as load channels.
    pub(crate) fn channels(&self, case: &Case, unit: &str, size: usize) -> impl Iterator<Item = Channel> {
        let kept = self.jumps.iter().filter(move |j| j.value != 0.0 || sampled(case, &j.path));
        kept.map(move |j| Channel { prescribed: j.factors.clone(), ..Channel::new(j.name.clone(), unit, j.value, size) })
    }
}
