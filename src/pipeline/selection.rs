//! Which models a comparison is made of, before any but those that decide that is opened.

use std::collections::BTreeMap;
use std::path::Path;

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::public::{PublicModels, lineages};
use super::request::Request;
use super::round::Round;
use super::target::{Resolver, Target};
use super::watch::{Event, Stage, Watch};
use crate::bundle::{Plan, check_marks};
use crate::digest;
use crate::evidence::EvidenceError;
use crate::marks::store::RESULT_FILE;
use crate::panel::Panel;

/// The models of a request in their roles.
pub struct Selection<'a> {
    pub(super) request: &'a Request,
    pub(super) watch: &'a dyn Watch,
    pub(super) panel: Panel,
    public: PublicModels,
    resolver: Resolver<'a>,
    /// SHA-256 of the result of planted marks; `None` without a test of some.
    marks: Option<String>,
}

impl std::fmt::Debug for Selection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Selection");
        shown.field("panel", &self.panel).finish_non_exhaustive()
    }
}

impl<'a> Selection<'a> {
    /// Gives every model its role.
    ///
    /// # Errors
    ///
    /// When a lineage file, the prices or a test of planted marks cannot be used, no controls can be picked, or the
    /// protected model is of no family that could be asked about.
    pub fn new(request: &'a Request, watch: &'a dyn Watch) -> Result<Self, PipelineError> {
        let endpoints = Endpoints::new(&request.endpoints, Some(request.out.join("access")))?;
        let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
        let (lineages, named) = lineages(request, &mut resolver)?;
        let panel = Panel::new(&named, &lineages);
        if named.family && panel.family.is_empty() {
            return Err(PipelineError::NoFamily {
                protected: named.protected,
            });
        }
        let public = PublicModels::of(&request.controls, &panel)?;
        let marks = request.marks.as_deref().map(digest_of_marks).transpose()?;
        Ok(Self {
            request,
            watch,
            panel,
            public,
            resolver,
            marks,
        })
    }

    /// The models of the list of public models that would have to be fetched.
    pub fn public(&self) -> &PublicModels {
        &self.public
    }

    /// Refuses to go on when some endpoint was never checked: that would send requests.
    pub(super) fn only_checked(&self) -> Result<(), PipelineError> {
        for member in self.panel.members() {
            if let Some(endpoint) = Endpoints::find(&member.model)?
                && self.request.given.get(&member.model).is_none()
                && !self.resolver.endpoints().knows(&endpoint)
            {
                return Err(PipelineError::Unchecked {
                    model: member.model.clone(),
                });
            }
        }
        Ok(())
    }

    /// What each member's name means, by name.
    pub(super) fn resolve(&mut self) -> Result<BTreeMap<String, Target>, PipelineError> {
        self.watch.see(Event::Begun {
            stage: Stage::Fetching,
            steps: 0,
        });
        let mut targets = BTreeMap::new();
        for member in self.panel.members() {
            let target = self
                .resolver
                .resolve(&member.model)
                .map_err(|error| match error {
                    PipelineError::Fetch { model, source } if self.public.has(&model) => {
                        let open = self.public.without(|model| targets.contains_key(model));
                        PipelineError::PublicControls {
                            what: format!(
                                "'{model}'; still to be fetched: {open}: {}",
                                open.names()
                            ),
                            source,
                        }
                    }
                    error => error,
                })?;
            targets.insert(member.model.clone(), target);
        }
        self.watch.see(Event::Ended);
        Ok(targets)
    }

    /// What is settled before anything is asked.
    pub(super) fn plan(
        &self,
        targets: &BTreeMap<String, Target>,
        round: &Round<'_>,
        posed_raw: bool,
    ) -> Plan {
        let replayed = targets.values().filter_map(|target| match target {
            Target::Recording { name, .. } => Some(name.clone()),
            Target::Weights { .. } | Target::Endpoint { .. } | Target::Given { .. } => None,
        });
        Plan {
            published: round.published,
            posed_raw,
            replayed: replayed.collect(),
            readers: targets.keys().filter(|m| round.reads(m)).cloned().collect(),
            strict: self.request.strict,
            prior_odds: self.request.prior_odds,
            matter: self.request.matter.clone(),
            marks: self.marks.clone(),
            ..Plan::new(self.panel.clone(), &round.battery, round.posing, round.seed)
        }
    }
}

/// The digest of the result of a test of planted marks, once the test holds.
fn digest_of_marks(directory: &Path) -> Result<String, PipelineError> {
    check_marks(directory)?;
    let path = directory.join(RESULT_FILE);
    let digest = digest::of_file(&path);
    let (digest, _) = digest.map_err(|source| EvidenceError::Read { path, source })?;
    Ok(digest)
}
