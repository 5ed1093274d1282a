//! One search for a closure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{ClosureError, order};
use crate::deb::control;
use crate::deb::index::Index;
use crate::deb::package::Package;
use crate::deb::relation::{self, Operator, Relation};

/// A search that chooses once and never goes back: who calls it takes a choice back and begins anew.
pub(super) struct Search<'i, 'a> {
    index: &'i Index<'a>,
    banned: &'i BTreeSet<usize>,
    /// By name: there is one version of each at most.
    chosen: BTreeMap<&'a str, Choice<'a>>,
    places: BTreeSet<usize>,
    /// What may not be beside the chosen ones, by name.
    refused: BTreeMap<&'a str, Vec<(Relation<'a>, usize)>>,
    open: VecDeque<(usize, Vec<Relation<'a>>)>,
}

/// Why a package was chosen.
struct Choice<'a> {
    place: usize,
    /// Who needed it; none for what was asked for.
    owner: Option<&'a str>,
    /// Whether something else would have done.
    free: bool,
}

/// Why a search came to its end.
pub(super) struct Failure {
    /// Why.
    pub error: ClosureError,
    /// The choice without which another search may get further.
    pub take_back: Option<usize>,
}

/// Why a package cannot be chosen beside the others.
struct Clash<'a> {
    /// The one that was chosen before.
    with: &'a str,
    why: String,
}

impl<'i, 'a> Search<'i, 'a> {
    /// Chooses all that is needed by what is asked for, without the places that are banned.
    pub fn run(
        index: &'i Index<'a>,
        asked: &[usize],
        banned: &'i BTreeSet<usize>,
    ) -> Result<Self, Box<Failure>> {
        let mut search = Self {
            index,
            banned,
            chosen: BTreeMap::new(),
            places: BTreeSet::new(),
            refused: BTreeMap::new(),
            open: VecDeque::new(),
        };
        for place in asked {
            if search.places.contains(place) {
                continue;
            }
            if let Some(clash) = search.clash(*place)? {
                return Err(Box::new(Failure {
                    error: ClosureError::Unsatisfiable {
                        relation: search.label(*place),
                        chain: Vec::new(),
                        why: clash.why,
                    },
                    take_back: None,
                }));
            }
            search.choose(*place, None, false)?;
        }
        while let Some((owner, group)) = search.open.pop_front() {
            search.meet(owner, &group)?;
        }
        Ok(search)
    }

    /// Sees to it that one relation of a group is met.
    fn meet(&mut self, owner: usize, group: &[Relation<'a>]) -> Result<(), Box<Failure>> {
        if group.iter().any(|relation| self.is_met(relation)) {
            return Ok(());
        }
        let candidates = self.candidates(group);
        let mut first_clash = None;
        for place in &candidates {
            match self.clash(*place)? {
                None => {
                    let owner = self.index.entry(owner).name;
                    return self.choose(*place, Some(owner), candidates.len() > 1);
                }
                Some(clash) => first_clash = first_clash.or(Some(clash)),
            }
        }
        Err(Box::new(self.failure(owner, group, first_clash)))
    }

    fn is_met(&self, relation: &Relation<'a>) -> bool {
        relation.is_met_on(self.index.architecture())
            && (self.chosen_meets(relation).is_some() || self.index.is_met_by_base(relation))
    }

    fn chosen_meets(&self, relation: &Relation<'a>) -> Option<usize> {
        let of_name = self.chosen.get(relation.name).map(|choice| choice.place);
        of_name
            .filter(|place| relation.admits(self.index.entry(*place).version))
            .or_else(|| {
                self.index
                    .providers(relation)
                    .find(|place| self.places.contains(place))
            })
    }

    /// What would meet a group, the best first: as the relations stand, of each the package of that name
    /// before those that provide it, the newest version first.
    fn candidates(&self, group: &[Relation<'a>]) -> Vec<usize> {
        let mut found = Vec::new();
        for relation in group {
            if !relation.is_met_on(self.index.architecture()) {
                continue;
            }
            let real = self.index.versions(relation.name).iter().copied();
            found.extend(real.filter(|place| relation.admits(self.index.entry(*place).version)));
            let mut provided: Vec<usize> = self.index.providers(relation).collect();
            // The newest version of each only: `versions` begins with it.
            provided.retain(|place| {
                let versions = self.index.versions(self.index.entry(*place).name);
                versions.first() == Some(place)
            });
            provided.sort_by_key(|place| self.index.entry(*place).name);
            found.extend(provided);
        }
        found.retain(|place| !self.banned.contains(place));
        found
    }

    fn choose(
        &mut self,
        place: usize,
        owner: Option<&'a str>,
        free: bool,
    ) -> Result<(), Box<Failure>> {
        let name = self.index.entry(place).name;
        self.places.insert(place);
        let choice = Choice { place, owner, free };
        self.chosen.insert(name, choice);
        for field in ["Pre-Depends", "Depends"] {
            for mut group in self.groups(place, field)? {
                group.retain(|relation| relation.counts_on(self.index.architecture()));
                if !group.is_empty() {
                    self.open.push_back((place, group));
                }
            }
        }
        for refused in self.refusals(place)? {
            if let Some(newer) = self.newer_base(&refused) {
                self.open.push_back((place, vec![newer]));
            }
            let list = self.refused.entry(refused.name).or_default();
            list.push((refused, place));
        }
        Ok(())
    }

    /// What is broken only in the version that an old system may have: the version that it must become.
    fn newer_base(&self, refused: &Relation<'a>) -> Option<Relation<'a>> {
        let newest = *self.index.versions(refused.name).first()?;
        let entry = self.index.entry(newest);
        let wanted = match refused.version? {
            (Operator::Less, version) => (Operator::GreaterOrEqual, version),
            (Operator::LessOrEqual, version) => (Operator::Greater, version),
            _ => return None,
        };
        (entry.base && !refused.admits(entry.version)).then_some(Relation {
            version: Some(wanted),
            ..*refused
        })
    }

    /// What of the chosen ones cannot be beside this package, if any.
    fn clash(&self, place: usize) -> Result<Option<Clash<'a>>, Box<Failure>> {
        let entry = self.index.entry(place);
        if let Some(other) = self.chosen.get(entry.name) {
            let why = format!("{} is chosen already", self.label(other.place));
            let with = entry.name;
            return Ok(Some(Clash { with, why }));
        }
        for refused in self.refusals(place)? {
            if let Some(other) = self.chosen_meets(&refused) {
                let why = format!(
                    "{} cannot be beside {}",
                    self.label(place),
                    self.label(other)
                );
                let with = self.index.entry(other).name;
                return Ok(Some(Clash { with, why }));
            }
        }
        let by = self.refusal_of(place);
        Ok(by.map(|by| Clash {
            with: self.index.entry(by).name,
            why: format!("{} cannot be beside {}", self.label(by), self.label(place)),
        }))
    }

    /// The chosen package that refuses this one, by its name or by what it provides.
    fn refusal_of(&self, place: usize) -> Option<usize> {
        let entry = self.index.entry(place);
        let provides = control::field(entry.stanza, "Provides").unwrap_or_default();
        let provided = relation::list(provides).unwrap_or_default();
        let names = provided.iter().map(|relation| relation.name);
        names
            .chain([entry.name])
            .filter_map(|name| self.refused.get(name))
            .flatten()
            .find(|(relation, _)| self.index.meets(place, relation))
            .map(|(_, by)| *by)
    }

    /// What a package cannot be beside; itself it always can.
    fn refusals(&self, place: usize) -> Result<Vec<Relation<'a>>, Box<Failure>> {
        let name = self.index.entry(place).name;
        let mut all = Vec::new();
        for field in ["Conflicts", "Breaks"] {
            all.extend(self.groups(place, field)?.into_iter().flatten());
        }
        let architecture = self.index.architecture();
        all.retain(|relation| {
            relation.name != name
                && relation.counts_on(architecture)
                && relation.is_met_on(architecture)
        });
        Ok(all)
    }

    fn groups(
        &self,
        place: usize,
        field: &'static str,
    ) -> Result<Vec<Vec<Relation<'a>>>, Box<Failure>> {
        let entry = self.index.entry(place);
        let value = control::field(entry.stanza, field).unwrap_or_default();
        relation::groups(value).map_err(|source| {
            Box::new(Failure {
                error: ClosureError::Relation {
                    package: entry.name.to_owned(),
                    field,
                    source,
                },
                take_back: None,
            })
        })
    }

    /// Why a group cannot be met, and which choice to take back: the one in the way, if something else
    /// would have done in its place, or else the one that has the group.
    fn failure(&self, owner: usize, group: &[Relation<'a>], clash: Option<Clash<'a>>) -> Failure {
        let in_the_way = clash
            .as_ref()
            .and_then(|clash| self.chosen.get(clash.with))
            .filter(|choice| choice.free && choice.owner.is_some())
            .map(|choice| choice.place);
        let name = self.index.entry(owner).name;
        let of_owner = self
            .chosen
            .get(name)
            .filter(|choice| choice.owner.is_some());
        let mut chain = vec![self.label(owner)];
        let mut next = self.chosen.get(name).and_then(|choice| choice.owner);
        while let Some(choice) = next.and_then(|name| self.chosen.get(name)) {
            chain.push(self.label(choice.place));
            next = choice.owner;
        }
        let texts: Vec<String> = group.iter().map(ToString::to_string).collect();
        Failure {
            error: ClosureError::Unsatisfiable {
                relation: texts.join(" | "),
                chain,
                why: clash.map_or_else(|| self.absence(group), |clash| clash.why),
            },
            take_back: in_the_way.or(of_owner.map(|choice| choice.place)),
        }
    }

    /// What the archive has of what is named.
    fn absence(&self, group: &[Relation<'a>]) -> String {
        let versions = |relation: &Relation<'a>| {
            let newest = self.index.versions(relation.name).first()?;
            Some(self.label(*newest))
        };
        let there: Vec<String> = group.iter().filter_map(versions).collect();
        if there.is_empty() {
            "the archive has no such package".to_owned()
        } else {
            format!("the archive has {}", there.join(", "))
        }
    }

    fn label(&self, place: usize) -> String {
        let entry = self.index.entry(place);
        format!("{} {}", entry.name, entry.version)
    }

    /// The chosen packages, in order.
    pub fn finish(&self) -> Result<Vec<Package>, ClosureError> {
        let mut needs = BTreeMap::new();
        for (name, choice) in &self.chosen {
            let mut needed = BTreeSet::new();
            for field in ["Pre-Depends", "Depends"] {
                let groups = self
                    .groups(choice.place, field)
                    .map_err(|failure| failure.error)?;
                let met = groups.iter().flatten();
                let met = met.filter_map(|relation| self.chosen_meets(relation));
                needed.extend(met.map(|place| self.index.entry(place).name));
            }
            needs.insert(*name, needed);
        }
        order::dependencies_first(&needs)
            .into_iter()
            .filter_map(|name| self.chosen.get(name))
            .map(|choice| Package::new(self.index.entry(choice.place)).map_err(Into::into))
            .collect()
    }
}
