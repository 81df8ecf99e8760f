"""Run by Alembic inside the connection and transaction of `gateway.store.migrate`."""

from alembic import context

from gateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes columns by building the table anew.
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
