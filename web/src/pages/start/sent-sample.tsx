import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { ForeignText, Visible } from "@/ui/foreign-text";

type Sample = components["schemas"]["PreviewedSample"];

/** One request as it will be sent, with what its answer will be compared to. */
export function SentSample({ sample }: { sample: Sample }) {
  const { t } = useTranslation("start");
  const columns = Object.entries(sample.columns);
  return (
    <li className="rounded-md border border-line">
      <p className="border-b border-line bg-raised px-3 py-1.5 font-mono text-xs">
        <span className="foreign">
          <Visible text={sample.id} />
        </span>
      </p>
      <div className="space-y-3 p-3">
        {sample.problem && <p className="foreign text-bad">{t("preview.problem", { problem: sample.problem })}</p>}
        {sample.messages.map((message, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: messages have no other name
          <div key={index} className="grid gap-2 sm:grid-cols-[6rem_minmax(0,1fr)]">
            <p className="font-medium text-muted">{t(`preview.role.${message.role}`, message.role)}</p>
            <div className="min-w-0 space-y-2">
              <Images images={message.images} of={sample.id} />
              {message.text !== "" && <ForeignText text={message.text} mono />}
            </div>
          </div>
        ))}
        {sample.references.length > 0 && (
          <div className="grid gap-2 border-t border-line pt-3 sm:grid-cols-[6rem_minmax(0,1fr)]">
            <p className="font-medium text-muted">{t("preview.reference")}</p>
            <div className="min-w-0 space-y-1">
              {sample.references.map((reference, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: references may be alike
                <ForeignText key={index} text={reference} first={500} mono />
              ))}
            </div>
          </div>
        )}
        <details>
          <summary className="cursor-pointer text-muted">{t("preview.details")}</summary>
          <dl className="mt-2 grid gap-x-4 gap-y-1 text-xs sm:grid-cols-[10rem_minmax(0,1fr)]">
            {columns.map(([name, value]) => (
              <Detail key={`column ${name}`} name={name} value={value} />
            ))}
            {Object.entries(sample.parameters).map(([name, value]) => (
              <Detail key={`parameter ${name}`} name={name} value={JSON.stringify(value)} />
            ))}
          </dl>
        </details>
      </div>
    </li>
  );
}

function Detail({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="foreign text-muted">
        <Visible text={name} />
      </dt>
      <dd className="min-w-0">
        <ForeignText text={value} first={300} mono />
      </dd>
    </>
  );
}

function Images({ images, of }: { images: Sample["messages"][number]["images"]; of: string }) {
  const { t } = useTranslation("start");
  if (images.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-2">
      {images.map((image, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same image may be shown twice
        <li key={index}>
          <a href={image.url} target="_blank" rel="noreferrer">
            <img
              src={`${image.url}?width=256`}
              alt={t("preview.image", { number: index + 1, sample: of })}
              loading="lazy"
              className="max-h-56 min-h-12 max-w-full rounded border border-line bg-white object-contain"
            />
          </a>
        </li>
      ))}
    </ul>
  );
}
