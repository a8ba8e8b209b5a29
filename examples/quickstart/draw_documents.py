"""Draws the quickstart's documents and their annotation: `python examples/quickstart/draw_documents.py`.

Every kind of document is drawn clean and degraded in every way. The text is recorded while it is drawn, so the
annotation is exact. The same seed draws the same documents.
"""

import argparse
import csv
import random
from pathlib import Path

from drawing import form, invoice, letter, receipt
from drawing.scan import DEGRADATIONS
from PIL import Image

KINDS = {"receipt": receipt.draw, "invoice": invoice.draw, "letter": letter.draw, "form": form.draw}
VARIANTS = ("clean", *DEGRADATIONS)
"""How each kind is drawn: clean twice, then degraded in each way once."""
QUESTION = "Read all the text in the image."
COLUMNS = ("data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox")
SEED = 787


def main() -> None:
    """Reads the command line and draws."""
    parser = argparse.ArgumentParser(description="Draw the quickstart's documents and their annotation.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "documents", help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    count = draw_documents(options.out, options.seed)
    print(f"{count} documents in {options.out}")


def draw_documents(out: Path, seed: int) -> int:
    """Writes `annotation.csv` and `images/` under `out`.

    Returns:
        How many documents were drawn.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows: list[tuple[int, str, str, str, str, str, str, str]] = []
    for kind, draw in KINDS.items():
        for number, variant in enumerate(VARIANTS, start=1):
            # A generator of its own: a change to one document leaves all the others as they were.
            rng = random.Random(f"{seed}/{kind}/{number}")  # noqa: S311
            page, text = draw(rng)
            image = DEGRADATIONS[variant](page, rng)
            path = _save(image, out, f"images/{kind}_{number}_{variant}", variant)
            rows.append((len(rows), "test", path, QUESTION, text, kind, variant, ""))
    with (out / "annotation.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return len(rows)


def _save(image: Image.Image, out: Path, stem: str, variant: str) -> str:
    """Saves losslessly what is clean, as a scanner would what is not; gives the path relative to `out`."""
    if variant == "clean":
        path = f"{stem}.png"
        image.quantize(48, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(out / path, optimize=True)
    else:
        path = f"{stem}.jpg"
        image.save(out / path, quality=60 if variant == "noisy" else 75, optimize=True)
    return path


if __name__ == "__main__":
    main()
