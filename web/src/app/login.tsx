import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Preferences } from "@/app/preferences";
import { hadUsedLink, logIn } from "@/app/session";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { ProblemNote } from "@/ui/problem-note";

/** Asks for a token, which becomes a session that scripts cannot read. */
export function Login() {
  const { t } = useTranslation("login");
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await logIn(token);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  }

  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col justify-center gap-6 p-6">
      <header className="flex items-center gap-3">
        <img src="/icon.svg" alt="" className="size-10" />
        <h1 className="text-2xl font-semibold">VLMHyperBench</h1>
      </header>
      <form onSubmit={submit} className="flex flex-col gap-4 rounded-lg border border-line bg-panel p-6">
        {hadUsedLink() && <p role="alert">{t("used")}</p>}
        <p className="text-muted">{t("why")}</p>
        <Field label={t("token")} hint={t("hint")}>
          {(control) => (
            <input
              {...control}
              type="password"
              autoComplete="current-password"
              required
              value={token}
              onChange={(event) => setToken(event.target.value)}
            />
          )}
        </Field>
        {error !== null && <ProblemNote error={error} />}
        <Button type="submit" kind="primary" busy={busy}>
          {t("enter")}
        </Button>
      </form>
      <Preferences />
    </main>
  );
}
