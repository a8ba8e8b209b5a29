import { useQuery, useQueryClient } from "@tanstack/react-query";
import { FolderUp, Upload } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, Problem } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { classes } from "@/ui/classes";
import { Visible } from "@/ui/foreign-text";
import { ProblemNote } from "@/ui/problem-note";
import { read } from "./document";
import type { Draft } from "./draft";
import { type Chosen, chosenOf, dropped, makeUpload, putFiles, type Uploaded } from "./uploading";

export function useContents(upload: string) {
  return useQuery({
    queryKey: ["uploads", upload, "contents"],
    enabled: upload !== "",
    staleTime: 60_000,
    queryFn: () => ok(api.GET("/api/v1/uploads/{upload_id}/contents", { params: { path: { upload_id: upload } } })),
  });
}

/** Takes files: a job with its data, or data alone, around which a job is made. */
export function Drop({ draft }: { draft: Draft }) {
  const { t } = useTranslation("start");
  const format = useFormat();
  const queries = useQueryClient();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [uploaded, setUploaded] = useState<Uploaded | null>(null);
  const [error, setError] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  const contents = useContents(draft.upload);
  // What was written while files were on their way stays.
  const latest = useRef(draft);
  latest.current = draft;

  async function take(chosen: Chosen[]) {
    if (chosen.length === 0) return;
    setError(null);
    stop.current = new AbortController();
    try {
      const top = chosen[0]?.path.split("/")[0] ?? "";
      const name = top.replace(/\.\w+$/, "") || "data";
      const upload = draft.upload || (await makeUpload(name));
      await putFiles(upload, chosen, setUploaded, stop.current.signal);
      const found = await ok(
        api.GET("/api/v1/uploads/{upload_id}/contents", { params: { path: { upload_id: upload } } }),
      );
      queries.setQueryData(["uploads", upload, "contents"], found);
      const now = latest.current;
      const [data] = found.datasets;
      if (found.text) now.setText(found.text);
      else if (data && now.document.text === "") now.setText(around(name, data.source));
      else if (data) {
        const made = read(around(name, data.source)).data ?? {};
        for (const key of ["name", "tasks"]) if (!now.document.data?.[key]) now.change([key], made[key]);
      }
      now.setUpload(upload);
      const [first] = found.problems ?? [];
      if (first) setError(new Problem(422, first.message, found.problems));
    } catch (failure) {
      if (!(failure instanceof DOMException)) setError(failure);
    } finally {
      setUploaded(null);
    }
  }

  async function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    await take(await dropped(event.dataTransfer.items));
  }

  return (
    <div className="space-y-3">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the buttons in it do the same */}
      <div
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => void drop(event)}
        className={classes(
          "flex flex-col items-center gap-3 rounded-lg border-2 border-dashed p-6 text-center",
          over ? "border-accent bg-raised" : "border-line",
        )}
      >
        <p className="max-w-prose text-muted">{t("drop.what")}</p>
        <div className="flex flex-wrap justify-center gap-2">
          <Button onClick={() => files.current?.click()}>
            <Upload aria-hidden className="size-4" />
            {t("drop.files")}
          </Button>
          <Button onClick={() => folder.current?.click()}>
            <FolderUp aria-hidden className="size-4" />
            {t("drop.folder")}
          </Button>
        </div>
        <input
          ref={files}
          type="file"
          multiple
          className="hidden"
          data-testid="files"
          aria-label={t("drop.files")}
          onChange={(event) => event.target.files && void take(chosenOf(event.target.files))}
        />
        <input
          ref={folder}
          type="file"
          multiple
          className="hidden"
          data-testid="folder"
          aria-label={t("drop.folder")}
          {...{ webkitdirectory: "" }}
          onChange={(event) => event.target.files && void take(chosenOf(event.target.files))}
        />
        {uploaded && (
          <div className="w-full max-w-md space-y-1">
            <progress
              className="w-full accent-accent"
              aria-label={t("drop.progress")}
              value={uploaded.bytes}
              max={uploaded.ofBytes || 1}
            />
            <p className="flex justify-between text-xs text-muted">
              {t("drop.uploaded", { files: format.whole(uploaded.files), of: format.whole(uploaded.of) })}
              <span>
                {format.bytes(uploaded.bytes)} / {format.bytes(uploaded.ofBytes)}
              </span>
            </p>
            <Button small kind="quiet" onClick={() => stop.current?.abort()}>
              {t("drop.stop")}
            </Button>
          </div>
        )}
      </div>
      {error !== null && <ProblemNote error={error} />}
      {contents.error && <ProblemNote error={contents.error} />}
      {contents.data && (
        <div className="flex flex-wrap items-center gap-2 text-muted">
          {contents.data.job_file && <span className="foreign">{t("drop.job", { file: contents.data.job_file })}</span>}
          {contents.data.datasets.map((one) => (
            <span
              key={one.source}
              className="foreign rounded border border-line px-2 py-0.5 font-mono text-xs text-ink"
            >
              <Visible text={one.source} />
              {one.columns.length > 0 && ` (${one.columns.join(", ")})`}
            </span>
          ))}
          {contents.data.datasets.length === 0 && !contents.data.job_file && t("drop.nothing")}
          <Button small kind="quiet" onClick={() => draft.setUpload("")}>
            {t("drop.forget")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** A job around data that were dropped alone. */
function around(name: string, source: string): string {
  const clean = JSON.stringify(name.replace(/[^\p{L}\p{N}_. -]/gu, "-").slice(0, 60) || "mine");
  return `name: ${clean}
models: []
tasks:
  - name: read-page
    dataset: ${JSON.stringify(source)}
    prompt: Read all the text in the image.
    metrics: [cer]
`;
}
