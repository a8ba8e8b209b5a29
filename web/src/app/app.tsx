import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { queryClient } from "@/api/queries";
import { Boundary } from "@/app/boundary";
import { Login } from "@/app/login";
import { NotFound } from "@/app/not-found";
import { PAGES } from "@/app/pages";
import { useMe } from "@/app/session";
import { Shell } from "@/app/shell";
import { Waiting } from "@/ui/waiting";

/** The whole page: who is there, then the page that the address names. */
export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <BrowserRouter>
        <Gate />
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function Gate() {
  const me = useMe();
  if (me.isPending) return <Waiting />;
  if (!me.data) return <Login />;
  return (
    <Shell>
      <Boundary>
        <Suspense fallback={<Waiting />}>
          <Routes>
            {PAGES.map(({ path, element: Element }) => (
              <Route key={path} path={path} element={<Element />} />
            ))}
            <Route path="/" element={<Navigate to="/jobs" replace />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
