//! Which picture a reader can take in: what does not fit moves up a level, and says so.

use super::{Level, Picture};

/// The forms of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// Sources down, destinations across.
    Matrix,
    /// Namespaces, and how many of their pairs connect.
    Overview,
    /// One end, who reaches it and whom it reaches.
    Focus,
    /// Workloads in the boxes of their namespaces.
    Workloads,
    /// What a change opens and closes.
    Diff,
}

impl View {
    /// Its name as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Overview => "overview",
            Self::Focus => "focus",
            Self::Workloads => "workloads",
            Self::Diff => "diff",
        }
    }
}

/// Node-link drawings of more links than these are hairballs.
const MOST_LINKS: usize = 140;
/// The same of boxes.
const MOST_BOXES: usize = 60;
/// Without a wish workloads are drawn as boxes up to these, and as a matrix beyond.
const FEW_BOXES: usize = 22;
/// The same of links between them.
const FEW_LINKS: usize = 28;
/// An overview of more namespaces than these, with what is outside, is a matrix.
const MOST_SPACES: usize = 40;
/// A matrix of more classes than these is one of namespaces.
const MOST_CLASSES: usize = 130;

/// A picture in a form in which it can be read.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The form.
    pub view: View,
    /// What it shows.
    pub picture: Picture,
}

impl Picture {
    /// The picture in the form that is wished for, or in the one that fits; of both the next level up where it is
    /// too large, with a note of that.
    pub fn shown(&self, wish: Option<View>) -> Shown {
        let classes = self.collapsed();
        let fits = classes.ends.len() <= FEW_BOXES && classes.links.len() <= FEW_LINKS;
        match wish {
            None if fits => Shown { view: View::Workloads, picture: classes.ordered() },
            None | Some(View::Matrix) => classes.as_matrix(self),
            Some(View::Workloads) => {
                if classes.ends.len() <= MOST_BOXES && classes.links.len() <= MOST_LINKS {
                    return Shown { view: View::Workloads, picture: classes.ordered() };
                }
                let mut up = self.as_overview();
                up.picture.notes.insert(0, format!(
                    "Drawn by namespace: {} classes of workloads and addresses with {} links cannot be read as boxes and curves.",
                    classes.ends.len(),
                    classes.links.len()
                ));
                up
            }
            Some(View::Overview) => self.as_overview(),
            Some(view @ (View::Focus | View::Diff)) => {
                let picture = classes;
                if view == View::Diff && picture.links.len() > MOST_LINKS {
                    return Shown { view: View::Matrix, picture: picture.ordered() };
                }
                Shown { view, picture }
            }
        }
    }

    fn as_overview(&self) -> Shown {
        let spaces = self.namespaces();
        if spaces.ends.len() <= MOST_SPACES && spaces.links.len() <= MOST_LINKS {
            return Shown { view: View::Overview, picture: spaces };
        }
        let count = spaces.ends.len();
        let mut picture = spaces.collapsed();
        if picture.ends.len() <= MOST_SPACES && picture.links.len() <= MOST_LINKS {
            picture.notes.push("Namespaces that nothing tells apart are drawn as one.".into());
            return Shown { view: View::Overview, picture };
        }
        picture.notes.push(format!(
            "Drawn as a matrix: {count} namespaces and ends outside with {} links cannot be read as boxes and curves.",
            spaces.links.len()
        ));
        Shown { view: View::Matrix, picture }
    }

    /// Self is `whole`, collapsed.
    fn as_matrix(&self, whole: &Picture) -> Shown {
        if self.ends.len() <= MOST_CLASSES || self.level == Level::Namespaces {
            return Shown { view: View::Matrix, picture: self.ordered() };
        }
        let spaces = whole.namespaces();
        let mut picture = spaces.collapsed();
        picture.notes.push(format!(
            "Drawn by namespace: {} classes of workloads are too many for a matrix that can be read; `-n NAMESPACE` draws those of one.",
            self.ends.len()
        ));
        if picture.ends.len() < spaces.ends.len() {
            picture.notes.push(format!(
                "{} namespaces and ends outside are drawn as {}, as nothing tells the others apart from one of them.",
                spaces.ends.len(),
                picture.ends.len()
            ));
        }
        Shown { view: View::Matrix, picture }
    }
}
