import { api, ask, ok } from "@/api/client";

/** A file that was chosen or dropped, and its path below what was chosen. */
export interface Chosen {
  path: string;
  file: File;
}

/** How far an upload is. */
export interface Uploaded {
  files: number;
  of: number;
  bytes: number;
  ofBytes: number;
}

const AT_ONCE = 4;

/** Puts files into an upload, some at a time.
 * @throws Problem */
export async function putFiles(
  upload: string,
  chosen: Chosen[],
  said: (uploaded: Uploaded) => void,
  signal: AbortSignal,
): Promise<void> {
  const uploaded = {
    files: 0,
    of: chosen.length,
    bytes: 0,
    ofBytes: chosen.reduce((sum, one) => sum + one.file.size, 0),
  };
  const waiting = [...chosen];
  said({ ...uploaded });
  async function put() {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const name = next.path.split("/").map(encodeURIComponent).join("/");
      await ask(`/api/v1/uploads/${upload}/files/${name}`, { method: "PUT", body: next.file, signal });
      uploaded.files += 1;
      uploaded.bytes += next.file.size;
      said({ ...uploaded });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, put));
}

export async function makeUpload(name: string): Promise<string> {
  const made = await ok(api.POST("/api/v1/uploads", { body: { name } }));
  return made.upload_id;
}

/** What was dropped, folders with all that is in them. */
export async function dropped(items: DataTransferItemList): Promise<Chosen[]> {
  // All of them at once: the list is gone after the first wait.
  const entries = [...items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  return (await Promise.all(entries.map((entry) => inside(entry, "")))).flat();
}

async function inside(entry: FileSystemEntry, above: string): Promise<Chosen[]> {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Chosen[] = [];
  for (;;) {
    // A reader gives a part of a large folder at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await inside(one, `${path}/`)));
  }
}

export function chosenOf(files: FileList): Chosen[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}
