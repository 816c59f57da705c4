//! Finding out what an endpoint gives.

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::request::EndpointSettings;
use super::watch::{Event, Stage, Watch};
use crate::model::hosted::AccessReport;

/// Checks what an endpoint gives, with positive controls, which takes requests. The report may say that nothing can be
/// asked.
///
/// # Errors
///
/// When the name is not an endpoint's, or the endpoint fails.
pub fn probe(
    model: &str,
    settings: &EndpointSettings,
    watch: &dyn Watch,
) -> Result<AccessReport, PipelineError> {
    let Some(endpoint) = Endpoints::find(model)? else {
        return Err(PipelineError::NoEndpoint {
            model: model.to_owned(),
        });
    };
    watch.see(Event::Begun {
        stage: Stage::Checking,
        steps: 0,
    });
    watch.see(Event::Note(&format!("checking what {model} gives")));
    let reached = Endpoints::new(settings, None)?.reach(endpoint)?;
    watch.see(Event::Ended);
    Ok((*reached.report).clone())
}
