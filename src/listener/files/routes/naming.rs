//! Which files of the routes the journal knows, and what it is told of them.

use super::Routes;
use crate::handler::{HandlerError, RoutedFile};
use crate::journal::{Entry, MAX_FILES, NamedFile};

impl Routes {
    /// Whether the batch is about a file that the journal does not know.
    pub(in crate::listener::files) fn has_unnamed(&self) -> bool {
        self.in_batch > 0 && self.files().any(|file| file.is_in_batch && !file.is_named)
    }

    /// Gives the files of the batch to the journal, by `name`, and as many of those it knew before as there is
    /// room for.
    pub(in crate::listener::files) fn name<E>(
        &mut self,
        fixed: &[NamedFile<'_>],
        name: impl FnOnce(&[NamedFile<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let files = |is_wanted: fn(&RoutedFile) -> bool| {
            let routes = self.routes.iter().enumerate();
            routes.flat_map(move |(index, route)| {
                let wanted = route.handler.files().filter(move |file| is_wanted(file));
                wanted.map(move |file| (index, file))
            })
        };
        let in_batch = files(|file| file.is_in_batch);
        let known = files(|file| file.is_named && !file.is_in_batch);
        let room = MAX_FILES.saturating_sub(fixed.len());
        let chosen: Vec<_> = in_batch.chain(known).take(room).collect();
        let routed = chosen.iter().map(|(_, file)| file.handler.path());
        let routed = routed.map(|path| NamedFile { path, is_routed: true });
        name(&fixed.iter().copied().chain(routed).collect::<Vec<_>>())?;
        let named: Vec<_> =
            chosen.into_iter().map(|(index, file)| (index, file.name.clone())).collect();
        self.set_named(named);
        Ok(())
    }

    pub(super) fn set_named(&mut self, named: Vec<(usize, Box<str>)>) {
        self.files_mut().for_each(|file| file.is_named = false);
        for (index, name) in &named {
            let file = self.routes[*index].handler.file_named(name);
            file.into_iter().for_each(|file| file.is_named = true);
        }
        self.named = named;
    }

    /// What the next note says of the files that the journal knows, in their order.
    pub(in crate::listener::files) fn prepare(&mut self) -> Result<Vec<Entry>, HandlerError> {
        let routes = &mut self.routes;
        let prepare =
            |(index, name): &(usize, Box<str>)| match routes[*index].handler.file_named(name) {
                None => Ok(Entry::Untouched),
                Some(file) if file.is_complete => Ok(Entry::Complete),
                Some(file) => Ok(file.handler.prepare()?.map_or(Entry::Untouched, Entry::Begun)),
            };
        self.named.iter().map(prepare).collect()
    }
}
