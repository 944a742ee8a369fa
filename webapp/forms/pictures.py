"""Uploads of labelled pictures: one zip of class folders, or many files for one label."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.translation import gettext_lazy as _

from training import storage
from training.data.archives import count_members
from training.data.members import Member
from training.data.names import tidied
from training.errors import UnreadableArchive
from training.library.intake import MAX_KEY
from training.limits import MAX_ARCHIVE_BYTES, MAX_FILES, MAX_UPLOAD_BYTES
from training.models import Recognizer
from webapp.forms.looks import WithLooks
from webapp.forms.recognizers import check_key

ACCEPTED = "image/jpeg,image/png,image/webp"


class ArchiveForm(WithLooks, forms.Form):
    """One zip of class folders; `num_files` says how many it holds once the form is valid."""

    num_files = 0

    archive = forms.FileField(
        label=_("Zip of class folders"),
        max_length=255,
        widget=forms.FileInput({"accept": ".zip,application/zip"}),
        error_messages={"required": _("There is no zip. Choose one whose folders are named after the classes.")},
    )

    def clean_archive(self) -> UploadedFile:
        upload: UploadedFile = self.cleaned_data["archive"]
        if (upload.size or 0) > MAX_ARCHIVE_BYTES:
            raise too_large()
        try:
            self.num_files = count_members(cast(BinaryIO, upload.file))
        except UnreadableArchive as error:
            raise forms.ValidationError(str(error)) from error
        if not self.num_files:
            raise forms.ValidationError(_("The zip is empty. Pack the class folders with their pictures into it."))
        return upload

    def keep(self) -> str:
        """Move the zip into the store; returns its name there."""
        upload: UploadedFile = self.cleaned_data["archive"]
        name = f"imports/{uuid4().hex}.zip"
        if isinstance(upload, TemporaryUploadedFile):  # on the disk already: up to 2 GB that need no copying
            storage.keep(Path(upload.temporary_file_path()), name)
        else:
            upload.seek(0)
            storage.keep_bytes(upload.read(), name)
        return name


def too_large() -> forms.ValidationError:
    return forms.ValidationError(
        _("The zip is larger than %(limit)g GB. Send it in parts."), params={"limit": MAX_ARCHIVE_BYTES / 1e9}
    )


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """As many files as the browser sends; each is looked at when it is read."""

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        if not data:
            raise forms.ValidationError(_("There are no pictures. Choose at least one."))
        if len(data) > MAX_FILES:
            raise forms.ValidationError(
                _("These are %(count)d files; at most %(limit)d can be sent at once. Send more as a zip."),
                params={"count": len(data), "limit": MAX_FILES},
            )
        return list(data)


class FilesForm(WithLooks, forms.Form):
    """Pictures for one label, which is made where it is new."""

    label = forms.CharField(
        label=_("Label"),
        max_length=MAX_KEY,
        strip=False,  # a label of an earlier release may begin with a blank
        widget=forms.TextInput({"list": "label-keys", "autocomplete": "off"}),
        help_text=_("The name of a label's folder; where there is none, a new label is made."),
        error_messages={"required": _("Name the label that the pictures show.")},
    )
    files = ManyFilesField(  # type: ignore[assignment]  # the name of the request's files as well
        label=_("Pictures"), widget=ManyFilesInput({"accept": ACCEPTED})
    )

    def clean_label(self) -> str:
        label: str = self.cleaned_data["label"]
        if not tidied(label):
            raise forms.ValidationError(self.fields["label"].error_messages["required"])
        check_key(tidied(label))
        return label

    def members(self) -> Iterator[Member]:
        for upload in self.cleaned_data["files"]:
            read = partial(upload.read, MAX_UPLOAD_BYTES + 1)  # ingest() refuses what is longer than the limit
            yield Member(upload.name, self.cleaned_data["label"], read)


def upload_forms(recognizer: Recognizer) -> dict[str, object]:
    """What `pictures/_upload.html` shows."""
    return {
        "archive_form": ArchiveForm(),
        "files_form": FilesForm(),
        "label_keys": recognizer.labels.values_list("key", flat=True),
        "max_archive_bytes": MAX_ARCHIVE_BYTES,
        "archive_too_large": too_large().messages[0],
        "max_files": MAX_FILES,
    }
