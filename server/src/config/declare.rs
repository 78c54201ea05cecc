//! The form of a declaration. An option is declared once, in `options`; its flag, its environment variable, its key in
//! the file, its default, its bounds, its help and its row in the documentation all come from there.
//!
//! This file knows no option.

use clap::Arg;

use super::bounds::Bounds;

/// An option as it was declared.
#[derive(Debug)]
pub(super) struct Declared {
    /// The heading in the help; empty for the first options.
    pub(super) section: &'static str,
    /// The key in the file.
    pub(super) key: &'static str,
    /// The key with `-` for `_`.
    pub(super) flag: String,
    /// `HOLDFAST_` and the key in capitals.
    pub(super) variable: String,
    /// The placeholder for the value in the help.
    pub(super) value_name: &'static str,
    pub(super) help: String,
    /// The default in words.
    pub(super) default: String,
    pub(super) bounds: Option<Bounds>,
    /// With which banks it has a meaning; with every bank where there is none.
    pub(super) when: &'static [When],
    /// How its type is parsed.
    pub(super) parse: fn(Arg) -> Arg,
}

/// What must hold of the bank for an option to have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// It is one behind a URL.
    AtUrl,
    /// It is the built-in simulated one.
    Simulated,
    /// It is reached over TLS.
    Tls,
    /// It deduplicates our reference.
    Keyed,
    /// It answers inquiries.
    Asked,
}

impl Declared {
    /// The option as clap takes it.
    pub(super) fn arg(&'static self) -> Arg {
        let range = self
            .bounds
            .map_or_else(String::new, |bounds| format!(" [range: {bounds}]"));
        let arg = Arg::new(self.key)
            .long(self.flag.as_str())
            .env(self.variable.as_str())
            .value_name(self.value_name)
            .help(format!("{} [default: {}]{range}", self.help, self.default));
        let arg = match self.section {
            "" => arg,
            section => arg.help_heading(section),
        };
        (self.parse)(arg)
    }
}

/// Declares the options. One declaration is
///
/// ```text
/// /// What it does
/// key: Type => "VALUE NAME", default(VALUE), bounds BOUNDS, when [CONDITION, ...];
/// ```
///
/// The bounds and the conditions may be missing. Instead of `default(VALUE)` it may say `default_by("in words", FUNCTION)`, where the
/// function gets the options that are set, or `unset("what holds without it")`.
///
/// It makes `Options`, which is what was set, each option with or without a value; `Values`, which is what holds, defaults
/// included; and `declared()`, which is the list of the declarations.
macro_rules! options {
    (
        $($section:literal {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $type:ty => $value_name:literal,
                $kind:ident($($default:tt)*)
                $(, bounds $bounds:expr)?
                $(, when [$($when:ident),+])?;
            )*
        })*
        in the file only {
            $($only:ident: $only_type:ty;)*
        }
    ) => {
        /// What is set, by flags and environment, or by the file.
        #[derive(Debug, Default, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct Options {
            $($($(#[doc = $help])+ pub(super) $key: Option<$type>,)*)*
            $(pub(super) $only: $only_type,)*
        }

        /// What holds: what is set, and the defaults for the rest.
        #[derive(Debug, Clone, ::serde::Serialize)]
        pub(super) struct Values {
            $($($(#[doc = $help])+ pub(super) $key: options!(@type $kind $type),)*)*
        }

        impl Options {
            /// What is set here, and for the rest what is set in the file.
            pub(super) fn over(self, file: &Self) -> Self {
                Self {
                    $($($key: self.$key.or_else(|| file.$key.clone()),)*)*
                    $($only: file.$only.clone(),)*
                }
            }

            /// What holds.
            pub(super) fn values(&self) -> Values {
                Values {
                    $($($key: options!(@value $kind, self, self.$key.clone(), $type, $($default)*),)*)*
                }
            }

            /// Leaves out each value that is out of its bounds or empty, and notes it.
            pub(super) fn within(mut self, mistakes: &mut $crate::config::Mistakes) -> Self {
                $($(
                    let bounds = None $(.or(Some($bounds)))?;
                    let mistake = self.$key.as_ref().and_then(|value| {
                        $crate::config::value::OptionValue::mistake(value, stringify!($key), bounds)
                    });
                    if let Some(mistake) = mistake {
                        self.$key = None;
                        mistakes.leave_out(stringify!($key));
                        mistakes.note(mistake);
                    }
                )*)*
                self
            }

            /// The keys of the options that are set, each with whether its value asks for anything.
            pub(super) fn given(&self) -> Vec<(&'static str, bool)> {
                let all = [$($((
                    stringify!($key),
                    self.$key.as_ref().map($crate::config::value::OptionValue::asks),
                ),)*)*];
                all.into_iter()
                    .filter_map(|(key, asks)| Some((key, asks?)))
                    .collect()
            }
        }

        /// Every option, in the order of the help.
        pub(super) fn declared() -> &'static [$crate::config::declare::Declared] {
            static DECLARED: ::std::sync::LazyLock<Vec<$crate::config::declare::Declared>> =
                ::std::sync::LazyLock::new(|| {
                    let defaults = ::toml::Table::try_from(Options::default().values())
                        .expect("every option can be written as TOML");
                    vec![$($($crate::config::declare::Declared {
                        section: $section,
                        key: stringify!($key),
                        flag: stringify!($key).replace('_', "-"),
                        variable: format!("HOLDFAST_{}", stringify!($key).to_uppercase()),
                        value_name: $value_name,
                        help: [$($help),+].map(str::trim).join(" "),
                        default: options!(
                            @words $kind, defaults.get(stringify!($key)), $($default)*
                        ),
                        bounds: None $(.or(Some($bounds)))?,
                        when: &[$($($crate::config::declare::When::$when),+)?],
                        parse: <$type as $crate::config::value::OptionValue>::arg,
                    },)*)*]
                });
            &DECLARED
        }

        impl ::clap::FromArgMatches for Options {
            fn from_arg_matches(matches: &::clap::ArgMatches) -> Result<Self, ::clap::Error> {
                Ok(Self {
                    $($($key: $crate::config::value::OptionValue::given(
                        matches, stringify!($key),
                    ),)*)*
                    $($only: Default::default(),)*
                })
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &::clap::ArgMatches,
            ) -> Result<(), ::clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl ::clap::Args for Options {
            fn augment_args(command: ::clap::Command) -> ::clap::Command {
                command.args(declared().iter().map($crate::config::declare::Declared::arg))
            }

            fn augment_args_for_update(command: ::clap::Command) -> ::clap::Command {
                Self::augment_args(command)
            }
        }
    };

    (@type unset $type:ty) => { Option<$type> };
    (@type $kind:ident $type:ty) => { $type };

    (@value default, $set:expr, $given:expr, $type:ty, $default:expr) => {
        $given.unwrap_or_else(|| $default)
    };
    (@value default_by, $set:expr, $given:expr, $type:ty, $words:literal, $by:expr) => {{
        let by: fn(&Options) -> $type = $by;
        $given.unwrap_or_else(|| by($set))
    }};
    (@value unset, $set:expr, $given:expr, $type:ty, $words:literal) => { $given };

    (@words default, $value:expr, $default:expr) => {
        $value.map_or_else(String::new, |value| value.to_string().trim_matches('"').to_owned())
    };
    (@words default_by, $value:expr, $words:literal, $by:expr) => { $words.to_owned() };
    (@words unset, $value:expr, $words:literal) => { $words.to_owned() };
}

pub(super) use options;
