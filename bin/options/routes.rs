//! Log files that records choose.

use std::ffi::OsString;

use logboom::handler::{
    HandlerError, MAX_OPEN_FILES, PathTemplate, RotatingFileBuilder, RoutingFileHandler,
};

use super::Format;

#[derive(clap::Args, Clone, Default)]
pub(crate) struct RouteOptions {
    /// Write each record to a file of its own kind as well, rotated like the log: a path with {worker},
    /// {program}, {logger}, {level} or {field.KEY}, such as 'logs/{worker}.log'; may be repeated
    #[arg(long, value_name = "TEMPLATE")]
    route: Vec<PathTemplate>,
    /// How many files of each route are open at once: beyond, the one that was not written for the longest
    /// time is closed [default: 64]
    #[arg(long, value_name = "N", requires = "route")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_OPEN_FILES as i64))]
    max_open_files: Option<u16>,
}

impl RouteOptions {
    /// The flags with which a listener does the same.
    pub(super) fn flags(&self) -> impl Iterator<Item = OsString> {
        let routes = self.route.iter().map(|template| format!("--route={template}"));
        let open_files = self.max_open_files.map(|files| format!("--max-open-files={files}"));
        routes.chain(open_files).map(OsString::from)
    }

    /// The routes, under the settings that `builder` has for a path.
    pub(super) fn open(
        &self,
        format: &Format,
        builder: impl Fn(&PathTemplate) -> RotatingFileBuilder,
    ) -> Result<Vec<RoutingFileHandler>, HandlerError> {
        let open = |template: &PathTemplate| {
            let format = format.clone();
            let route = builder(template)
                .open_routed(move || format.formatter().map_err(HandlerError::other))?;
            Ok(match self.max_open_files {
                Some(files) => route.max_open_files(files.into()),
                None => route,
            })
        };
        self.route.iter().map(open).collect()
    }
}
