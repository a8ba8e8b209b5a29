"""Which answers there are already: where they are looked for (`scope`) and how they are found (`index`)."""
