//! Flags, settled once into the plain values that the pipeline takes.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::args::{
    Asking, Collect, Compare, DeviceArg, Engine, EngineArg, Hosted, Import, Matter, Runner,
    Screening, Validate,
};
use crate::import::{Fields, Settings};
use crate::model::Seed;
use crate::model::hosted::Limits;
use crate::model::local::{DeviceChoice, EngineChoice, Options};
use crate::panel::{self, Named};
use crate::pipeline::{
    self, CollectRequest, EndpointSettings, Given, ImportRequest, Protected, Request, ScoresFrom,
    ScreenRequest, Suspects, ValidateRequest,
};

impl Compare {
    pub(super) fn request(&self) -> Request {
        Request {
            named: Named {
                protected: self.protected.clone(),
                suspect: self.suspect.clone(),
                base: self.base.clone(),
                controls: self.control.clone(),
                alternatives: self.alternative.clone(),
                family: self.family,
            },
            controls: self.controls.clone(),
            given: Given::default(),
            asking: self.asking.settled(),
            engine: self.engine.settled(),
            endpoints: self.hosted.settled(),
            strict: self.strict,
            prior_odds: self.prior,
            matter: self.matter.settled(),
            marks: self.marks.clone(),
            out: self.out.clone(),
        }
    }
}

impl Matter {
    fn settled(&self) -> panel::Matter {
        panel::Matter {
            case_number: self.case_number.clone(),
            client: self.client.clone(),
            operator: self.operator.clone(),
            instructions: self.instructions.clone(),
        }
    }
}

impl Screening {
    pub(super) fn request(&self) -> ScreenRequest {
        let every = self.houses.then_some(Protected::EveryHouse);
        ScreenRequest {
            protected: self.protected.iter().cloned().chain(every).collect(),
            suspects: Suspects::At(self.suspects.clone()),
            controls: self.controls.clone(),
            given: Given::default(),
            asking: self.asking.settled(),
            engine: self.engine.settled(),
            endpoints: self.hosted.settled(),
            level: self.fdr,
            most_controls: self.most_controls,
            out: self.out.clone(),
        }
    }
}

impl Collect {
    pub(super) fn request(&self) -> CollectRequest {
        CollectRequest {
            model: self.model.clone(),
            given: Given::default(),
            asking: self.asking.settled(),
            engine: self.engine.settled(),
            endpoints: self.hosted.settled(),
            out: self.out.clone(),
        }
    }
}

impl Validate {
    pub(super) fn request(&self) -> ValidateRequest {
        // clap lets no two of these flags through together.
        let scores = match &self.recordings {
            Some(recordings) => ScoresFrom::Recordings(recordings.clone()),
            None if self.collect => ScoresFrom::Models {
                served: self.served,
                whole: self.whole,
            },
            None => ScoresFrom::Kept,
        };
        ValidateRequest {
            population: self.population.clone(),
            fitted_on: self.fitted_on.clone(),
            scores,
            asking: self.asking.settled(),
            engine: self.engine.settled(),
            out: self.out.clone(),
        }
    }
}

impl Import {
    pub(super) fn request(&self) -> ImportRequest {
        ImportRequest {
            files: self.files.clone(),
            settings: Settings {
                format: self.format,
                fields: Fields {
                    model: self.model_field.clone(),
                    prompt: self.prompt_field.clone(),
                    answer: self.answer_field.clone(),
                    sample: self.sample_field.clone(),
                },
                model: self.model.clone(),
            },
            out: self.out.clone(),
        }
    }
}

impl Asking {
    fn settled(&self) -> pipeline::Asking {
        pipeline::Asking {
            batteries: self.battery.clone(),
            tier: self.tier.map(Into::into),
            samples: self.samples,
            access: self.access.map(Into::into),
            repeats: self.repeats,
            seed: Seed(self.seed),
            raw: self.raw,
        }
    }
}

impl Engine {
    pub(super) fn settled(&self) -> pipeline::Engine {
        pipeline::Engine {
            options: options(&self.runner),
            jobs: self.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into())),
            offline: self.offline,
        }
    }
}

/// How weights are loaded.
pub(super) fn options(runner: &Runner) -> Options {
    Options {
        device: match runner.device {
            DeviceArg::Cpu => DeviceChoice::Cpu,
            DeviceArg::Cuda => DeviceChoice::Cuda,
            DeviceArg::Metal => DeviceChoice::Metal,
        },
        engine: match runner.engine {
            EngineArg::Auto => EngineChoice::Auto,
            EngineArg::Own => EngineChoice::Own,
            EngineArg::LlamaCpp => EngineChoice::LlamaCpp,
        },
        gpu_layers: runner.gpu_layers,
        trial: true,
        ..Options::default()
    }
}

impl Hosted {
    pub(super) fn settled(&self) -> EndpointSettings {
        EndpointSettings {
            limits: Limits {
                calls: self.max_calls,
                tokens: self.max_tokens,
                cost: self.max_cost,
            },
            prices: self.prices.clone(),
            concurrency: self.concurrency,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            timeout: Duration::from_secs(self.timeout.into()),
            recheck: self.recheck,
        }
    }
}
