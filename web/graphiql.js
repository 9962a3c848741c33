// Starts GraphiQL against this very server: queries by fetch, subscriptions by graphql-ws.
(() => {
  const socket = new URL("/graphql/ws", location.href);
  socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const fetcher = GraphiQL.createFetcher({ url: "/graphql", subscriptionUrl: socket.href });
  const defaultQuery = [
    "# Postern. Write an operation, and run it with Ctrl+Enter.",
    "# What this server offers is in the documentation explorer on the left.",
    "#",
    "# Signed in by cookie (delivery COOKIE), everything here acts as you. With a token",
    "# instead, put it among the headers below: { \"Authorization\": \"Bearer …\" }",
    "",
    "{",
    "  __typename",
    "}",
    "",
  ].join("\n");
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));
  root.render(React.createElement(GraphiQL, { fetcher, defaultQuery, shouldPersistHeaders: false }));
})();
