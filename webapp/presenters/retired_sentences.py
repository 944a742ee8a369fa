"""Sentences that nothing says any more but that rows of earlier releases still hold.

Runs, jobs, imports and versions keep a sentence as its English template, and it is translated when it is shown. A
template that was reworded since would be gone from the catalogue, and an old row would speak English to everybody. So
whoever rewords a sentence that rows keep moves the old wording here; its Chinese stays in the catalogue.
"""

from __future__ import annotations

from training.messages import N_

RETIRED = (
    N_(
        "Too few pictures of: %(classes)s. Each class needs at least %(min)d: one to train on, "
        "one to choose by, one it never sees. Add pictures or remove the class."
    ),
    N_(
        "Nearly the same pictures stay together, which leaves none to train on, none to choose by or none it "
        "never sees. Add pictures that differ more, or make a new split on the page “Look through the "
        "pictures”."
    ),
    N_(
        "%(chosen)s was chosen: the weights of %(other)s are not at hand. Tried for a moment, it got "
        "%(percent).1f %% of %(count)d pictures to choose by right."
    ),
    N_(
        "%(chosen)s was chosen: tried on %(count)d pictures to choose by, it got %(percent).1f %% right at "
        "%(size)d pixels, %(other)s %(other_percent).1f %% at %(other_size)d."
    ),
    N_(
        "%(chosen)s was chosen: the weights of %(other)s are not at hand. It got %(percent).1f %% of %(count)d "
        "validation pictures right in a short race."
    ),
    N_(
        "%(chosen)s was chosen: in a short race on %(count)d validation pictures it got %(percent).1f %% right at "
        "%(size)d pixels, %(other)s %(other_percent).1f %% at %(other_size)d."
    ),
    N_(
        "Too few pictures of: %(classes)s. Each class needs at least %(min)d, one each for training, "
        "validation and test. Add pictures or remove the class."
    ),
    N_(
        "Near-duplicates stay together, and so none are left for training, validation or the test. "
        "Add pictures that differ more, or split all of them anew on the page “Look through the pictures”."
    ),
    N_(
        "The ImageNet weights of %(network)s could not be downloaded (%(reason)s). Put %(file)s "
        "into %(folder)s, or set pretrained to false."
    ),
    N_("The serving twin differs from the H5 by %(difference)g; at most %(limit)g is allowed."),
    N_("%(file)s answers its own test picture otherwise than when it was written. Train again."),
    N_("Its process was killed, most likely because memory ran out."),
    N_(
        "The trainer was killed, most likely because memory ran out at batch size %(size)d. "
        "Try batch size %(half)d or a smaller image size."
    ),
)
